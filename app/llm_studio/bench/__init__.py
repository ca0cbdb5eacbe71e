"""Benchmarks: how fast and how good a profile is, measured on the engine that serves it."""
