"""The worker: reserves trials and evaluates each in a child process."""
