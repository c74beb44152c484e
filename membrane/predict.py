"""python -m membrane.predict CONFIG.yaml: will a domain bud, at which diameter, over which barrier, how soon."""

import sys

from membrane.commands.predict import main

# The package has a function of this name, which a module of the same name would hide.
if __name__ == "membrane.predict":
    raise ImportError(
        "membrane.predict is a command, python -m membrane.predict; in Python: from membrane import predict"
    )
if __name__ == "__main__":
    sys.exit(main())
