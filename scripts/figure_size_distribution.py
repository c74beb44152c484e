"""Size distributions of the ILVs of one or several archives, overlaid: STEM.png and STEM.pdf."""

import argparse
import sys

from membrane import archive, picture_command
from membrane.paths import path


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archives", metavar="ARCHIVE", nargs="+", type=path)
    parser.add_argument("--output", metavar="STEM", type=path, help="default: the first archive's name with -sizes")
    options = parser.parse_args(arguments)

    def work():
        from membrane import plot

        stem = picture_command.stem(options.output, options.archives, "-sizes")
        return plot.save(plot.size_distribution_figure([archive.read(one) for one in options.archives]), stem)

    return picture_command.ends_well(work)


if __name__ == "__main__":
    sys.exit(main())
