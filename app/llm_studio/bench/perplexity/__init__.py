"""Perplexity: how well a model foretells a text of the user's."""
