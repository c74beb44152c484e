"""What comes out of a sweep over one or two of its parameters, with confidence: STEM.png and STEM.pdf."""

import argparse
import sys

from membrane import archive
from membrane.commands import drawing
from membrane.paths import path


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", metavar="ARCHIVE", type=path, help="a collected archive")
    parser.add_argument("keys", metavar="KEY", nargs="*", help="one or two varied keys (default: the first two)")
    parser.add_argument("--output", metavar="STEM", type=path, help="default: the archive's name with -sweep")
    options = parser.parse_args(arguments)

    def work():
        from membrane.figures import sweep
        from membrane.figures.style import save

        stem = drawing.stem(options.output, [options.archive], "-sweep")
        record = archive.read(options.archive)
        return save(sweep.sweep_figure(record, options.keys or sweep.varied(record)[:2]), stem)

    return drawing.ends_well(work)


if __name__ == "__main__":
    sys.exit(main())
