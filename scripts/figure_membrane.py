"""The membrane of one endosome at up to four times, field by field: STEM.png and STEM.pdf."""

import argparse
import sys
from pathlib import Path

from membrane import archive, plot


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", metavar="ARCHIVE", type=Path)
    parser.add_argument("--endosome", metavar="N", type=int, default=0, help="counted from 0 (default 0)")
    parser.add_argument("--output", metavar="STEM", type=Path, help="default: the archive's name with -membrane")
    options = parser.parse_args(arguments)
    stem = options.output or options.archive.with_name(options.archive.stem + "-membrane")
    try:
        written = plot.save(plot.membrane_figure(archive.read(options.archive), options.endosome), stem)
    except (archive.ArchiveError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(*written, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
