"""What comes out of a sweep over its parameters: the same as ``membrane figure --kind sweep``."""

from membrane.commands.entry import start

if __name__ == "__main__":
    start("figure", "--kind", "sweep")
