"""What all figures share: colours, width, panel letters, times in words, and how figures and movies are written."""

import io
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from membrane.figures import canvas
from membrane.figures.canvas import Figure, animation
from membrane.paths import require_own_file, signature

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
"""Eight colours that colour-blind readers can tell apart (Okabe and Ito)."""

WIDTH_INCH = 7.0
"""Width of a figure: that of a printed page."""

MOVIE_DPI = 150
"""Pixels an inch in a movie."""

LEAST_SECONDS = 5.0
"""How long a movie lasts at least. If there are few frames, each is shown for longer than ``fps`` says."""


def letters(*panels) -> None:
    """Write a, b, c, ... at the upper left of the panels (matplotlib axes), in the order given."""
    for axes, letter in zip(panels, "abcdef"):
        axes.annotate(letter, (0, 1), (-22, 5), "axes fraction", "offset points", ha="right", weight="bold", size=10)


def movie_path(path) -> Path:
    """Check that a movie can be written to ``path``, and return it as a Path.

    Raises ValueError if the suffix is neither .gif nor .mp4, and RuntimeError if it is .mp4 but ffmpeg is not
    installed.
    """
    path = Path(path)
    if path.suffix.lower() not in (".gif", ".mp4"):
        raise ValueError(f"cannot write {path}: a movie is a .gif or an .mp4")
    if path.suffix.lower() == ".mp4" and not animation.writers.is_available("ffmpeg"):
        raise RuntimeError(f"cannot write {path}: ffmpeg is not installed; install it or write a .gif")
    return path


def save_movie(
    figure: Figure,
    draw: Callable[[int], None],
    count: int,
    path: Path,
    fps: int | float,
    with_palette: Callable[[Iterable[Image.Image]], list[Image.Image]],
) -> None:
    """Write a movie of ``count`` frames as GIF or MP4, as the suffix of ``path`` says.

    Args:
        figure: on which every frame is drawn.
        draw: called with 0, 1, ..., ``count`` - 1; changes the figure to that frame.
        count: number of frames.
        path: the file; checked with `movie_path` before.
        fps: frames a second, above 0 and at most 50. It is lowered if the movie would last less than `LEAST_SECONDS`.
        with_palette: reduces the pictures of a GIF (RGB, given one by one) to 256 colours.

    Raises ValueError for another ``fps``, and PathError if a file lies at ``path`` that this package has not written.
    """
    if not 0 < fps <= 50:
        raise ValueError(f"fps {fps:g}: give a number of frames a second above 0, and at most 50")
    require_own_file(path)
    fps = min(fps, count / LEAST_SECONDS)
    if path.suffix.lower() == ".gif":
        canvas.put(path, _gif(figure, draw, count, fps, with_palette, signature(path)))
    else:
        canvas.put(path, _mp4(figure, draw, count, fps, signature(path)))


def _gif(figure, draw, count, fps, with_palette, signed) -> bytes:
    def picture(index):
        draw(index)
        figure.canvas.draw()
        return Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3])

    first, *others = with_palette(picture(index) for index in range(count))
    # A GIF counts time in hundredths of a second.
    durations_ms = 10 * np.diff(np.round(100 * np.arange(count + 1) / fps).astype(int))
    made = io.BytesIO()
    first.save(
        made,
        format="GIF",
        save_all=True,
        append_images=others,
        duration=durations_ms.tolist(),
        loop=0,
        **signed,
    )
    return made.getvalue()


def _mp4(figure, draw, count, fps, signed) -> bytes:
    writer = animation.FFMpegWriter(fps=fps, metadata=signed)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "movie.mp4"
        with writer.saving(figure, str(made), dpi=MOVIE_DPI):
            for index in range(count):
                draw(index)
                writer.grab_frame()
        return made.read_bytes()


def save(figure: Figure, path_without_suffix, dpi: int = 300) -> list[Path]:
    """Write a figure as PNG (with ``dpi`` pixels an inch) and as PDF; return both paths.

    Raises PathError if a file lies there that this package has not written, and OSError if it cannot be written.
    """
    stem = Path(path_without_suffix)
    return [canvas.save(figure, stem.with_name(stem.name + suffix), dpi=dpi) for suffix in (".png", ".pdf")]


def time_unit(longest_s) -> tuple[float, str]:
    """The unit in which times up to ``longest_s`` (seconds) are best read, as (units in a second, name).

    >>> time_unit(0.06)
    (1000.0, 'ms')
    """
    return next(
        ((scale, unit) for scale, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")) if longest_s * scale >= 1), (1e9, "ns")
    )


def time_text(seconds) -> str:
    """A time with its unit, for a title.

    >>> time_text(0.0125)
    't = 12.5 ms'
    """
    if not seconds:
        return "t = 0"
    scale, unit = time_unit(seconds)
    return f"t = {seconds * scale:.3g} {unit}"
