"""Samplers compared on surrogates of tables of real trials: ``python -m benchmarks.samplers``."""
