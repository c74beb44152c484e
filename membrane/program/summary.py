"""What came out of a run, in words and in one picture."""

import warnings
from pathlib import Path

import numpy as np

from membrane.archive import RunRecord, read
from membrane.outcome.intervals import LEAST_ENDOSOMES, MEASURED, mean_interval, median_interval, share_interval, words
from membrane.outcome.sizes import EXOSOME_RANGE_NM
from membrane.outcome.table import KINDS, is_ilv
from membrane.paths import picture_beside


def summarise(output: Path, *, picture: bool) -> None:
    """Print what came out of a finished run, and draw its picture beside the archive."""
    record = read(output)
    lines = summary_lines(record)
    lines.append(f"archive {output}")
    if picture:
        lines.append(_picture(record, picture_beside(output, ".png")))
    print("\n".join(lines))


def _picture(record: RunRecord, path: Path) -> str:
    """Draws the picture; returns a line that says where it is, or why there is none.

    A run has not failed where only its picture cannot be drawn: every error is caught.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Imported only now: a run must not stop where matplotlib cannot be imported.
            from membrane.figures import canvas
            from membrane.figures import sheet as plot
            from membrane.figures import vesicle as plot_vesicle

            figure = (plot_vesicle if record.config["kind"] == "vesicle" else plot).summary_figure(record)
            return f"picture {canvas.save(figure, path, dpi=200)}"
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        return f"no picture ({why}); the archive is whole"


def summary_lines(record: RunRecord) -> list[str]:
    """What came out of a run, line by line.

    Buds that are still open, and endosomes without membrane, are those of the last row of the series.
    """
    ilvs, events = record.ilvs, record.events
    last = {name: np.sum(values[-1:]) for name, values in record.series.items()}
    then = f"{1e3 * last['time_s']:g} ms"
    lines = [f"{record.attributes['name']}: {record.attributes['status']}, {record.attributes['wall_time_s']:.0f} s"]
    if len(ilvs):
        lines += _sizes(record)
    else:
        lines.append(f"no budding into the lumen: no domain lost or crossed its barrier within {then}")
    scissions = events["kind"] == KINDS["scission"]
    counted = (
        (np.sum(scissions & ~is_ilv(events)), "bud left away from the lumen", "buds left away from the lumen"),
        (np.sum(~scissions), "vesicle fused", "vesicles fused"),
        (last.get("open_buds", 0), f"bud has an open neck at {then}", f"buds have an open neck at {then}"),
        (
            last.get("exhausted", 0),
            f"endosome has no membrane left for any vesicle at {then}",
            f"endosomes have no membrane left for any vesicle at {then}",
        ),
    )
    return lines + [_counted(int(count), one, many) for count, one, many in counted if count]


def _sizes(record: RunRecord) -> list[str]:
    """Number, median and share of the ILVs with their intervals, the assumptions that move them most, and how good the
    intervals are."""
    ilvs, size = record.ilvs, record.size_distribution
    endosomes, endosome_of = int(record.attributes["number_of_endosomes"]), record.ilvs["endosome"]
    (least, most), diameter = EXOSOME_RANGE_NM, ilvs["diameter_nm"]
    inside, known = (diameter >= least) & (diameter <= most), np.isfinite(diameter)
    number, within, sized = (np.bincount(endosome_of[of], minlength=endosomes) for of in (slice(None), inside, known))
    share = [100 * float(end) for end in share_interval(within, sized)]
    lines = [
        f"{_counted(len(ilvs), 'ILV', 'ILVs')} from {np.count_nonzero(number)} of "
        f"{_counted(endosomes, 'endosome', 'endosomes')}: {len(ilvs) / endosomes:.3g} an endosome "
        f"({words(*mean_interval(number), endosomes)})"
    ]
    if size["n"]:
        median = median_interval(diameter, endosome_of, endosomes)
        lines += [
            f"median {size['median_nm']:.1f} nm ({words(*median, endosomes, '.1f')}), "
            f"IQR {size['q25_nm']:.1f}-{size['q75_nm']:.1f} nm; "
            f"{100 * size['fraction_40_100_nm']:.0f} % in 40-100 nm ({words(*share, endosomes, '.0f')}); "
            f"sizes of {_counted(size['n'], 'ILV', 'ILVs')} in {_counted(endosomes, 'endosome', 'endosomes')}"
        ]
    lines += _accelerated(record, number, endosomes) + _levers(record.config)
    if endosomes >= LEAST_ENDOSOMES:
        lines.append(f"intervals over endosomes; measured to hold {_percent(*MEASURED)} (docs/controls.md)")
    return lines


def _accelerated(record: RunRecord, number: np.ndarray, endosomes: int) -> list[str]:
    """Nominal time and rate of an accelerated run, whose endosomes have made so many ILVs each (endosomes,)."""
    factor = record.config.get("acceleration", 1.0)
    if factor == 1:
        return []
    simulated = float(record.attributes["simulated_time_s"])
    hours = factor * simulated / 3600
    interval = words(*(end / hours for end in mean_interval(number)), endosomes)
    return [
        f"accelerated {factor:g} times (acceleration): {simulated:g} s simulated are {60 * hours:.3g} min of nominal "
        f"time; {number.mean() / hours:.3g} ILVs an endosome and nominal hour ({interval})"
    ]


def _levers(config: dict) -> list[str]:
    """The assumptions that move the median of a sheet most, each with its key."""
    contrast = config.get("membrane", {}).get("gaussian_modulus_contrast_kBT")
    gate = config.get("budding", {}).get("neck_radius_nm")
    if contrast is None or gate is None:
        return []
    return [
        f"the assumption that moves it most: a Gaussian contrast of {contrast:g} kT "
        f"(membrane.gaussian_modulus_contrast_kBT); then a neck that breaks at {gate:g} nm (budding.neck_radius_nm)"
    ]


def _percent(low: float, high: float) -> str:
    return f"{100 * low:.0f}-{100 * high:.0f} % of the time"


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
