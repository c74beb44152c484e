"""What comes out of a sweep over one or two of its parameters, with confidence: STEM.png and STEM.pdf."""

import argparse
import sys
from pathlib import Path

from membrane import archive, plot, plot_sweep


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", metavar="ARCHIVE", type=Path, help="a collected archive")
    parser.add_argument("keys", metavar="KEY", nargs="*", help="one or two varied keys (default: the first two)")
    parser.add_argument("--output", metavar="STEM", type=Path, help="default: the archive's name with -sweep")
    options = parser.parse_args(arguments)
    try:
        record = archive.read(options.archive)
        figure = plot_sweep.sweep_figure(record, options.keys or plot_sweep.varied(record)[:2])
        written = plot.save(figure, options.output or options.archive.with_name(options.archive.stem + "-sweep"))
    except (archive.ArchiveError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(*written, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
