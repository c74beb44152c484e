"""Size distributions of the ILVs of one or several archives, overlaid: STEM.png and STEM.pdf."""

import argparse
import sys
from pathlib import Path

from membrane import archive, plot


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archives", metavar="ARCHIVE", nargs="+", type=Path)
    parser.add_argument("--output", metavar="STEM", type=Path, help="default: the first archive's name with -sizes")
    options = parser.parse_args(arguments)
    first = options.archives[0]
    try:
        figure = plot.size_distribution_figure([archive.read(path) for path in options.archives])
        written = plot.save(figure, options.output or first.with_name(first.stem + "-sizes"))
    except (archive.ArchiveError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(*written, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
