"""The status of a search: files, progress, display."""
