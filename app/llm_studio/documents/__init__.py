"""The pages of docs/ that are made from the program itself, so that they cannot lie about it."""
