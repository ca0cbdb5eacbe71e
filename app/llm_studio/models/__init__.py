"""Model files: their headers, where they are on this machine, and the memory they take."""
