"""Trials, search records and attachments in MongoDB."""
