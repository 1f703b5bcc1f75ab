"""Readers of the supported data sources; each module has ``load(settings, writer)``."""
