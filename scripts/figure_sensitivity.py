"""Which parameter of a sweep decides: the same as ``membrane figure --kind sensitivity``."""

from membrane.commands.entry import start

if __name__ == "__main__":
    start("figure", "--kind", "sensitivity")
