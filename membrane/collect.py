"""python -m membrane.collect SWEEP: the same as ``membrane collect SWEEP``."""

from membrane.commands.entry import start

if __name__ == "__main__":
    start("collect")
