"""A movie of one endosome of a run of kind vesicle: a GIF, or an MP4 where ffmpeg is installed."""

import argparse
import sys
from pathlib import Path

from membrane import archive, plot_vesicle


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", metavar="ARCHIVE", type=Path)
    parser.add_argument("--endosome", metavar="N", type=int, default=0, help="counted from 0 (default 0)")
    parser.add_argument("--output", metavar="FILE", type=Path, help="default: the archive's name with .gif")
    options = parser.parse_args(arguments)
    try:
        record = archive.read(options.archive)
        path = plot_vesicle.movie(record, options.output or options.archive.with_suffix(".gif"), options.endosome)
    except (RuntimeError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
