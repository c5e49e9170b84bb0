"""The baker's daemon: what it reads, what it keeps, what it answers."""
