"""The commands, one a file: what the user types, and what it does."""
