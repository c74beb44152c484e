"""python -m membrane.predict CONFIG: the same as ``membrane predict CONFIG``."""

from membrane.commands.entry import start

# The package has a function of this name, which a module of the same name would hide.
if __name__ == "membrane.predict":
    raise ImportError(
        "membrane.predict is a command, python -m membrane.predict; in Python: from membrane import predict"
    )
if __name__ == "__main__":
    start("predict")
