"""One endosome of a run of kind vesicle over time, cut open and in section: STEM.png and STEM.pdf."""

import argparse
import sys

from membrane import archive
from membrane.commands import drawing
from membrane.paths import path


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", metavar="ARCHIVE", type=path)
    parser.add_argument("--endosome", metavar="N", type=int, default=0, help="counted from 0 (default 0)")
    parser.add_argument("--frames", metavar="N", type=int, nargs="+", help="default: five that tell the story")
    parser.add_argument("--output", metavar="STEM", type=path, help="default: the archive's name with -vesicle")
    options = parser.parse_args(arguments)

    def work():
        from membrane.figures import vesicle
        from membrane.figures.style import save

        stem = drawing.stem(options.output, [options.archive], "-vesicle")
        record = archive.read(options.archive)
        return save(vesicle.vesicle_figure(record, options.endosome, options.frames), stem)

    return drawing.ends_well(work)


if __name__ == "__main__":
    sys.exit(main())
