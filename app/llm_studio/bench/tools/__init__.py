"""Tool calling: whether a model calls the right function, rightly, and only when it should."""
