"""What all figures share: colours, width, letters of panels, words for times, and how they are written to files."""

import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from membrane.figures import canvas
from membrane.figures.canvas import Figure, animation
from membrane.paths import may_write, signature

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
"""Eight colours that the colour-blind tell apart (Okabe and Ito)."""


WIDTH_INCH = 7.0


MOVIE_DPI = 150


LEAST_SECONDS = 5.0
"""Of a movie; a few frames are held longer than ``fps`` says."""


def letters(*panels) -> None:
    """Names panels a, b, c, ... at their upper left."""
    for axes, letter in zip(panels, "abcd"):
        axes.annotate(letter, (0, 1), (-22, 5), "axes fraction", "offset points", ha="right", weight="bold", size=10)


def movie_path(path) -> Path:
    """Where a movie is to be written. Raises ValueError where the suffix is neither .gif nor .mp4, and RuntimeError
    where MP4 is asked for without ffmpeg."""
    path = Path(path)
    if path.suffix.lower() not in (".gif", ".mp4"):
        raise ValueError(f"cannot write {path}: a movie is a .gif or an .mp4")
    if path.suffix.lower() == ".mp4" and not animation.writers.is_available("ffmpeg"):
        raise RuntimeError(f"cannot write {path}: ffmpeg is not installed; install it or write a .gif")
    return path


def save_movie(figure: Figure, draw, count: int, path: Path, fps: int | float, quantized) -> None:
    """Write what ``draw`` of 0 to ``count`` - 1 makes of the figure as GIF or MP4; ``quantized`` gives the pictures of
    a GIF, which come one by one, their palette."""
    if not 0 < fps <= 50:
        raise ValueError(f"fps {fps:g}: give a number of frames a second above 0, and at most 50")
    may_write(path)
    fps = min(fps, count / LEAST_SECONDS)

    def shot(index):
        draw(index)
        figure.canvas.draw()
        return Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3])

    if path.suffix.lower() == ".gif":
        pictures, made = quantized(shot(index) for index in range(count)), io.BytesIO()
        # A GIF counts in hundredths of a second.
        times = 10 * np.diff(np.round(100 * np.arange(count + 1) / fps).astype(int))
        pictures[0].save(
            made,
            format="GIF",
            save_all=True,
            append_images=pictures[1:],
            duration=times.tolist(),
            loop=0,
            **signature(path),
        )
        canvas.put(path, made.getvalue())
        return
    writer = animation.FFMpegWriter(fps=fps, metadata=signature(path))
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "movie.mp4"
        with writer.saving(figure, str(made), dpi=MOVIE_DPI):
            for index in range(count):
                draw(index)
                writer.grab_frame()
        canvas.put(path, made.read_bytes())


def save(figure: Figure, path_without_suffix, dpi: int = 300) -> list[Path]:
    """Write a figure as PNG (of ``dpi`` points an inch) and PDF; returns both paths. Raises PathError where a file that
    is not ours is in the way, and OSError where writing is not possible."""
    stem = Path(path_without_suffix)
    return [canvas.save(figure, stem.with_name(stem.name + suffix), dpi=dpi) for suffix in (".png", ".pdf")]


def time_unit(longest_s) -> tuple[float, str]:
    """(units a second, unit) in which times up to ``longest_s`` read well."""
    return next(
        ((scale, unit) for scale, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")) if longest_s * scale >= 1), (1e9, "ns")
    )


def time_text(seconds) -> str:
    """A time in words."""
    if not seconds:
        return "t = 0"
    scale, unit = time_unit(seconds)
    return f"t = {seconds * scale:.3g} {unit}"
