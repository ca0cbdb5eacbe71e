"""The checks, one file each, found by their being here."""
