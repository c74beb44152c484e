"""A movie of the membrane of one endosome: the same as ``membrane movie``."""

from membrane.commands.entry import start

if __name__ == "__main__":
    start("movie")
