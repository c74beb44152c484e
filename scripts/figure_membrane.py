"""The membrane of one endosome at several times: the same as ``membrane figure --kind membrane``."""

from membrane.commands.entry import start

if __name__ == "__main__":
    start("figure", "--kind", "membrane")
