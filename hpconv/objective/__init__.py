"""One trial: from hyperparameters to a validation error."""
