"""A movie of the membrane of one endosome: a GIF, or an MP4 where ffmpeg is installed."""

import argparse
import sys

from membrane import archive
from membrane.commands import drawing
from membrane.paths import path, picture_beside


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", metavar="ARCHIVE", type=path)
    parser.add_argument("--endosome", metavar="N", type=int, default=0, help="counted from 0 (default 0)")
    parser.add_argument(
        "--fps", metavar="N", type=float, default=10, help="frames a second (default 10); at least 5 s in all"
    )
    parser.add_argument("--output", metavar="FILE", type=path, help="default: the archive's name with .gif")
    options = parser.parse_args(arguments)

    def work():
        from membrane.figures import sheet as plot

        output = options.output or picture_beside(options.archive, ".gif")
        drawing.free({"the movie": output}, [options.archive])
        return [plot.movie(archive.read(options.archive), output, options.endosome, options.fps)]

    return drawing.ends_well(work)


if __name__ == "__main__":
    sys.exit(main())
