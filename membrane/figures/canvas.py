"""The only file that imports matplotlib: always with the backend Agg and in one style, whatever the user has set.

A user's backend may exist only inside a notebook, and a user's matplotlibrc may ask for LaTeX or for fonts that are not
installed. Our figures must not depend on either.
"""

import contextlib
import io
import logging
import os
import sys
from pathlib import Path

from membrane.paths import require_own_file, resolve_link, signature

_before, _first = os.environ.get("MPLBACKEND"), "matplotlib" not in sys.modules
# matplotlib reads this variable when it is imported, and fails if it does not know the backend.
os.environ["MPLBACKEND"] = "agg"
try:
    import matplotlib
    from matplotlib import animation, figure, patheffects
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import EllipseCollection
    from matplotlib.colors import Normalize, to_rgb
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.textpath import TextPath
    from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar
finally:
    if _before is None:
        del os.environ["MPLBACKEND"]
    else:
        os.environ["MPLBACKEND"] = _before
if _first:
    # The backend of the user's own figures, those that a notebook shows, is his choice again.
    with contextlib.suppress(ValueError):
        matplotlib.rcParams["backend"] = _before or dict.__getitem__(matplotlib.rcParamsOrig, "backend")

# It tells every step of writing a PDF, which is of no use beside the messages of a command.
logging.getLogger("fontTools").setLevel(logging.WARNING)

__all__ = [
    "AnchoredSizeBar",
    "Axes",
    "EllipseCollection",
    "Figure",
    "FigureCanvasAgg",
    "Line2D",
    "Normalize",
    "Patch",
    "TextPath",
    "animation",
    "matplotlib",
    "new_axes",
    "patheffects",
    "plain",
    "put",
    "save",
    "style",
    "to_rgb",
]

STYLE = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "pdf.fonttype": 42,
    "savefig.dpi": 300,
    "image.interpolation": "nearest",
    "figure.constrained_layout.use": True,
}


@contextlib.contextmanager
def style(**more):
    """Use matplotlib's defaults and our ``STYLE`` inside a with-block, or inside a function that this decorates.

    ``more`` adds or replaces settings, with an underscore for the dot in their names: ``figure_dpi=150``. Afterwards
    the user's own settings are back.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE | {name.replace("_", ".", 1): value for name, value in more.items()})
        yield


class Figure(figure.Figure):
    """A figure of matplotlib that a notebook shows where it is the last value of a cell."""

    def _repr_png_(self) -> bytes:
        drawn = io.BytesIO()
        with style():
            self.savefig(drawn, format="png", dpi=150)
        return drawn.getvalue()


def new_axes(size_inch: tuple[float, float]) -> Axes:
    """Axes of a new figure of ``size_inch`` (width, height), on the backend of the user: a notebook shows it, and so
    does ``matplotlib.pyplot.show()``."""
    from matplotlib import pyplot

    return pyplot.subplots(figsize=size_inch)[1]


@style()
def save(figure: Figure, path, **options) -> Path:
    """Write a figure to ``path`` as PNG or PDF, as its suffix says, with our signature; return the path.

    The whole figure is drawn before anything is written. Raises PathError if a file lies at ``path`` that this package
    has not written, and OSError if it cannot be written.
    """
    path = Path(path)
    require_own_file(path)
    drawn = io.BytesIO()
    figure.savefig(drawn, format=path.suffix[1:], metadata=signature(path), **options)
    return put(path, drawn.getvalue())


def put(path, content: bytes) -> Path:
    """Write ``content`` to ``path`` in one step, so that nobody ever finds half a file; return the path.

    The folder is made if it does not exist.
    """
    path = Path(path)
    target = resolve_link(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(target.name + ".tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def plain(text, longest: int = 200) -> str:
    """A text from an archive or a user, made safe to draw: one line, not too long, and no formula between dollars.

    >>> plain("high  tension\\n(pN)")
    'high tension (pN)'
    """
    words = "".join(c if c.isprintable() else " " for c in str(text))
    words = " ".join(words.split())
    words = words if len(words) <= longest else words[: longest - 3] + "..."
    return words.replace("$", r"\$")
