"""The terminal UI: a face of the studio, which knows nothing but the client and the wire."""
