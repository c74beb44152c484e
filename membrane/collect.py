"""python -m membrane.collect SWEEP.yaml: the members of a sweep in one archive."""

import sys

from membrane.commands.collect import main

if __name__ == "__main__":
    sys.exit(main())
