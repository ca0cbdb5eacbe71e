"""Probes: what this machine has."""
