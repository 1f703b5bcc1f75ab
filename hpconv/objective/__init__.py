"""Evaluation of a trial: from hyperparameters to a validation error."""
