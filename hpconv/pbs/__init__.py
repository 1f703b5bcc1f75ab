"""Workflow jobs on OpenPBS, PBS Pro, Torque and Slurm's Torque wrappers."""
