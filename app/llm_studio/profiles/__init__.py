"""Profiles: how each model is to be served, one TOML file each."""
