"""Coding agents on the local model: what each needs, and how it is launched and protected."""
