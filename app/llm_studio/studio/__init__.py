"""The heart: what should be served, what is, and everything that must not be lost."""
