"""python -m membrane.compare ARCHIVE MEASURED: the same as ``membrane compare ARCHIVE MEASURED``."""

from membrane.commands.entry import start

# The package has a function of this name, which a module of the same name would hide.
if __name__ == "membrane.compare":
    raise ImportError(
        "membrane.compare is a command, python -m membrane.compare; in Python: from membrane import compare"
    )
if __name__ == "__main__":
    start("compare")
