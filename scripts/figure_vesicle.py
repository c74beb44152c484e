"""One endosome of a run of kind vesicle over time, cut open and in section: STEM.png and STEM.pdf."""

import argparse
import sys
from pathlib import Path

from membrane import archive, plot, plot_vesicle


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", metavar="ARCHIVE", type=Path)
    parser.add_argument("--endosome", metavar="N", type=int, default=0, help="counted from 0 (default 0)")
    parser.add_argument("--frames", metavar="N", type=int, nargs="+", help="default: five that tell the story")
    parser.add_argument("--output", metavar="STEM", type=Path, help="default: the archive's name with -vesicle")
    options = parser.parse_args(arguments)
    stem = options.output or options.archive.with_name(options.archive.stem + "-vesicle")
    try:
        record = archive.read(options.archive)
        written = plot.save(plot_vesicle.vesicle_figure(record, options.endosome, options.frames), stem)
    except (archive.ArchiveError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(*written, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
