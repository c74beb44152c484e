"""Surfaces of a run of kind vesicle for ParaView: the same as ``membrane export``."""

from membrane.commands.entry import start

if __name__ == "__main__":
    start("export")
