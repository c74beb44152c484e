"""Size distributions of the ILVs of one or several archives, overlaid: STEM.png and STEM.pdf."""

import argparse
import sys

from membrane import archive
from membrane.commands import drawing
from membrane.paths import path


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archives", metavar="ARCHIVE", nargs="+", type=path)
    parser.add_argument("--output", metavar="STEM", type=path, help="default: the first archive's name with -sizes")
    options = parser.parse_args(arguments)

    def work():
        from membrane.figures.sizes import size_distribution_figure
        from membrane.figures.style import save

        stem = drawing.stem(options.output, options.archives, "-sizes")
        return save(size_distribution_figure([archive.read(one) for one in options.archives]), stem)

    return drawing.ends_well(work)


if __name__ == "__main__":
    sys.exit(main())
