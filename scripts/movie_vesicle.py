"""A movie of a run of kind vesicle: the same as ``membrane movie``."""

from membrane.commands.entry import start

if __name__ == "__main__":
    start("movie")
