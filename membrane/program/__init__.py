"""How a run goes, whoever started it: setting up JAX, advancing all endosomes, checkpoints, signals, exit codes."""
