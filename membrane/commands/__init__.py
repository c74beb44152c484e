"""The command ``membrane``: ``entry`` finds the subcommand, and each subcommand is a file of its name."""
