"""python -m membrane.ensemble SWEEP: the same as ``membrane ensemble SWEEP``."""

from membrane.commands.entry import start

if __name__ == "__main__":
    start("ensemble")
