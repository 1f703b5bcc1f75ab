"""Jobs of a workflow on PBS: OpenPBS and PBS Pro, Torque, and Slurm's wrappers for them."""
