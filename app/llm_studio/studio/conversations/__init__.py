"""Conversations: kept by the studio, so that an answer goes on when a terminal drops."""
