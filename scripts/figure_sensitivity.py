"""Which parameter of a sweep decides: partial rank correlations with confidence, STEM.png and STEM.pdf."""

import argparse
import sys
from pathlib import Path

from membrane import archive, plot, plot_sweep


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", metavar="ARCHIVE", type=Path, help="a collected archive")
    parser.add_argument("--output", metavar="STEM", type=Path, help="default: the archive's name with -sensitivity")
    options = parser.parse_args(arguments)
    try:
        figure = plot_sweep.sensitivity_figure(archive.read(options.archive))
        written = plot.save(figure, options.output or options.archive.with_name(options.archive.stem + "-sensitivity"))
    except (archive.ArchiveError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(*written, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
