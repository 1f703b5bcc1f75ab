"""The driver of a search and its suggestion algorithms."""
