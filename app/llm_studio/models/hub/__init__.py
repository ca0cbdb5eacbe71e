"""Model files on a hub: what a repository offers, which of it is meant, and fetching it whole."""
