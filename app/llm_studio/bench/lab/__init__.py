"""The settings lab: which values of a profile's settings are the fastest here."""
