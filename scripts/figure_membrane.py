"""The membrane of one endosome at up to four times, field by field: STEM.png and STEM.pdf."""

import argparse
import sys

from membrane import archive
from membrane.commands import drawing
from membrane.paths import path


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", metavar="ARCHIVE", type=path)
    parser.add_argument("--endosome", metavar="N", type=int, default=0, help="counted from 0 (default 0)")
    parser.add_argument("--output", metavar="STEM", type=path, help="default: the archive's name with -membrane")
    options = parser.parse_args(arguments)

    def work():
        from membrane.figures import sheet
        from membrane.figures.style import save

        # Sixteen fields are large: at 300 dpi the PNG is above 1 MB.
        stem = drawing.stem(options.output, [options.archive], "-membrane")
        return save(sheet.membrane_figure(archive.read(options.archive), options.endosome), stem, dpi=240)

    return drawing.ends_well(work)


if __name__ == "__main__":
    sys.exit(main())
