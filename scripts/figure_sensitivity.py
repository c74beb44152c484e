"""Which parameter of a sweep decides: partial rank correlations with confidence, STEM.png and STEM.pdf."""

import argparse
import sys

from membrane import archive
from membrane.commands import drawing
from membrane.paths import path


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", metavar="ARCHIVE", type=path, help="a collected archive")
    parser.add_argument("--output", metavar="STEM", type=path, help="default: the archive's name with -sensitivity")
    options = parser.parse_args(arguments)

    def work():
        from membrane.figures import sweep
        from membrane.figures.style import save

        stem = drawing.stem(options.output, [options.archive], "-sensitivity")
        return save(sweep.sensitivity_figure(archive.read(options.archive)), stem)

    return drawing.ends_well(work)


if __name__ == "__main__":
    sys.exit(main())
