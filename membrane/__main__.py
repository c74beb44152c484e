"""python -m membrane: the same as the command ``membrane``."""

from membrane.commands.entry import start

if __name__ == "__main__":
    start()
