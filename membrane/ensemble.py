"""python -m membrane.ensemble SWEEP.yaml: all members of a sweep, here or on a cluster."""

import sys

from membrane.commands.ensemble import main

if __name__ == "__main__":
    sys.exit(main())
