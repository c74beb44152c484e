"""What each ILV of an archive carries beside its size, as STEM.png and STEM.pdf.

Lipids, ceramide, Lo share and cargo against diameter; the same over the mean of the limiting membrane; the Fano factor
of cargo copies between ILVs; densities beside the published bands of a medium. Media do not mix: name yours, and give
the densities of shell and lumen in it. Without them those of the run are drawn, whatever medium they were meant for.

Exit codes: 0 drawn, 2 bad input, 3 not drawn. No archive is changed.
"""

import argparse
import sys

from membrane import archive
from membrane.commands import drawing
from membrane.figures.content import BANDS_G_PER_ML, content_figure
from membrane.figures.style import save
from membrane.paths import path


def main(argv: list[str]) -> int:
    """Draw the figure; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("archive", metavar="ARCHIVE", type=path)
    parser.add_argument("--medium", choices=BANDS_G_PER_ML, default="sucrose", help="of the bands (default sucrose)")
    parser.add_argument("--shell-g-per-ml", type=float, default=float("nan"), help="of the shell in that medium")
    parser.add_argument("--lumen-g-per-ml", type=float, default=float("nan"), help="of the lumen in that medium")
    parser.add_argument("--output", metavar="STEM", type=path, help="default: the archive's name with -content")
    arguments = parser.parse_args(argv)

    def work():
        stem = drawing.stem(arguments.output, [arguments.archive], "-content")
        figure = content_figure(
            archive.read(arguments.archive),
            medium=arguments.medium,
            shell_g_per_ml=arguments.shell_g_per_ml,
            lumen_g_per_ml=arguments.lumen_g_per_ml,
        )
        return save(figure, stem)

    return drawing.draw("figure_content", work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
