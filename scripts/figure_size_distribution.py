"""Size distributions of the ILVs of archives: the same as ``membrane figure --kind sizes``."""

from membrane.commands.entry import start

if __name__ == "__main__":
    start("figure", "--kind", "sizes")
