"""How a command of ours runs: from its arguments to its exit code, with everything that may interrupt it."""
