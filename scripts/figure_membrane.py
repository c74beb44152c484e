"""The membrane of one endosome at up to four times, field by field: STEM.png and STEM.pdf."""

import argparse
import sys

from membrane import archive, picture_command
from membrane.paths import path


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", metavar="ARCHIVE", type=path)
    parser.add_argument("--endosome", metavar="N", type=int, default=0, help="counted from 0 (default 0)")
    parser.add_argument("--output", metavar="STEM", type=path, help="default: the archive's name with -membrane")
    options = parser.parse_args(arguments)

    def work():
        from membrane import plot

        # Sixteen fields are large: at 300 dpi the PNG is above 1 MB.
        stem = picture_command.stem(options.output, [options.archive], "-membrane")
        return plot.save(plot.membrane_figure(archive.read(options.archive), options.endosome), stem, dpi=240)

    return picture_command.ends_well(work)


if __name__ == "__main__":
    sys.exit(main())
