"""Engines: what runs llama.cpp for a profile."""
