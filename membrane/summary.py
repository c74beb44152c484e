"""What came out of a run, in words and in one picture."""

import warnings
from pathlib import Path

import numpy as np

from membrane.archive import RunRecord, read
from membrane.event_table import KINDS, is_ilv
from membrane.paths import picture_beside
from membrane.sizes import median_interval


def summarise(output: Path, *, picture: bool) -> None:
    """What came out, in words, and the picture beside the archive."""
    record = read(output)
    ilvs, events = record.ilvs, record.events
    lines = [f"{record.attributes['name']}: {record.attributes['status']}, {record.attributes['wall_time_s']:.0f} s"]
    if len(ilvs):
        size = record.size_distribution
        low, high = median_interval(
            ilvs["diameter_nm"], ilvs["endosome"], int(record.attributes["number_of_endosomes"])
        )
        interval = f" (95 % {low:.1f}-{high:.1f})" if np.isfinite(low) else ""
        lines.append(
            f"{len(ilvs)} ILVs from {len(np.unique(ilvs['endosome']))} of {record.attributes['number_of_endosomes']} "
            f"endosomes; median {size['median_nm']:.1f} nm{interval}, "
            f"IQR {size['q25_nm']:.1f}-{size['q75_nm']:.1f} nm, "
            f"{100 * size['fraction_40_100_nm']:.0f} % in 40-100 nm"
        )
    else:
        lines.append("no budding into the lumen: no domain lost or crossed its barrier within the simulated time")
    scissions = events["kind"] == KINDS["scission"]
    last = {name: np.sum(values[-1:]) for name, values in record.series.items()}
    counted = (
        (np.sum(scissions & ~is_ilv(events)), "buds away from the lumen"),
        (np.sum(~scissions), "fusions of vesicles"),
        (last.get("open_buds", 0), "buds with an open neck at the end"),
        (last.get("exhausted", 0), "endosomes have no membrane left for any vesicle"),
    )
    lines += [f"{count:.0f} {what}" for count, what in counted if count]
    lines.append(f"archive {output}")
    if picture:
        lines.append(_picture(record, picture_beside(output, ".png")))
    print("\n".join(lines))


def _picture(record: RunRecord, path: Path) -> str:
    """Draws the picture; says where it is, or why there is none. Whatever fails here, the run has not failed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # matplotlib is imported only now: a setup of the user in which it cannot be imported stops no run.
            from membrane import canvas, plot, plot_vesicle

            figure = (plot if record.config["kind"] == "sheet" else plot_vesicle).summary_figure(record)
            return f"picture {canvas.save(figure, path, dpi=200)}"
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        return f"no picture ({why}); the archive is whole"
