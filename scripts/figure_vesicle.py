"""A run of kind vesicle over time: the same as ``membrane figure --kind vesicle``."""

from membrane.commands.entry import start

if __name__ == "__main__":
    start("figure", "--kind", "vesicle")
