"""python -m membrane.run CONFIG: the same as ``membrane run CONFIG``."""

from membrane.commands.entry import start

# The package has a function of this name, which a module of the same name would hide.
if __name__ == "membrane.run":
    raise ImportError("membrane.run is a command, python -m membrane.run; in Python: from membrane import run")
if __name__ == "__main__":
    start("run")
