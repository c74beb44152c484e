"""Figures of a collected archive: what comes out over what varies, and which parameter decides."""

from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from membrane.archive import RunRecord
from membrane.intervals import mean_interval, median_interval, share_interval
from membrane.plot import OKABE_ITO, STYLE, WIDTH_INCH
from membrane.sensitivity import least_points, partial_rank_correlations
from membrane.sizes import EXOSOME_RANGE_NM

OUTCOMES = {
    "median_nm": "median diameter (nm)",
    "ilvs_per_endosome": "ILVs per endosome",
    "fraction_40_100_nm": "share in 40-100 nm",
}

MOST_NUMBERS = 6
"""Columns up to which cells have room for their number and its interval."""

BINS = 8
"""Of a parameter that was drawn from a range, as many classes of equally many points."""


@dataclass(frozen=True)
class Outcome:
    """``value``, its 95 % interval, NaN where there are too few endosomes for one, and how many ILVs from how many
    endosomes it rests on: of a median or a share the ILVs of known diameter, of a yield all."""

    value: float
    low: float
    high: float
    ilvs: int
    endosomes: int


UNITS = {
    "nPa_s_m": "nPa s m",
    "mPa_s": "mPa s",
    "um2_per_s": "µm$^2$/s",
    "uN_per_m": "µN/m",
    "mN_per_m": "mN/m",
    "g_per_ml": "g/ml",
    "per_nm": "1/nm",
    "per_s": "1/s",
    "kBT": "$k_BT$",
    "kPa": "kPa",
    "pN": "pN",
    "nm2": "nm$^2$",
    "nm": "nm",
    "us": "µs",
    "ms": "ms",
    "s": "s",
    "C": "°C",
}
"""What keys of a configuration end in, the longer before the shorter, and how it is written."""


def varied(record: RunRecord) -> list[str]:
    """Keys whose numbers differ between members. Raises ValueError where there is no table of members."""
    if not record.members:
        raise ValueError(f"{record.path} is no collected archive; collect a sweep with python -m membrane.collect")
    numbers = {
        name: values
        for name, values in record.members.items()
        if "." in name or name in ("temperature_C", "duration_s")
    }
    return [name for name, values in numbers.items() if values.dtype.kind == "f" and np.ptp(values) > 0]


def _complete(record: RunRecord) -> np.ndarray:
    """Rows of the members that have come to their end: others have had less time to bud."""
    rows = np.flatnonzero(np.asarray(record.members["status"]) == "complete")
    if not len(rows):
        raise ValueError(f"no member in {record.path} is complete: run python -m membrane.ensemble to the end")
    return rows


def outcomes(record: RunRecord, members: np.ndarray) -> dict[str, Outcome]:
    """What came out of the endosomes of some ``members`` (rows of the table) together, with the intervals of
    `membrane.intervals`. ILVs of unknown diameter count in the yield only."""
    table = record.members
    first, count = table["first_endosome"][members], table["endosomes"][members]
    endosomes = np.concatenate([np.arange(f, f + n) for f, n in zip(first, count)])
    ilvs = record.ilvs
    ilvs = ilvs[np.isin(ilvs["endosome"], endosomes)]
    own = np.searchsorted(endosomes, ilvs["endosome"], sorter=(order := np.argsort(endosomes)))
    own, diameter, n = order[own], ilvs["diameter_nm"], len(endosomes)
    number = np.bincount(own, minlength=n)
    low, high = EXOSOME_RANGE_NM
    inside = np.bincount(own[(diameter >= low) & (diameter <= high)], minlength=n)
    sized = np.bincount(own[np.isfinite(diameter)], minlength=n)
    known = int(sized.sum())
    median, share = (np.nanmedian(diameter), inside.sum() / known) if known else (np.nan, np.nan)
    ends = [float(end) for end in share_interval(inside, sized)]
    return {
        "median_nm": Outcome(median, *median_interval(diameter, own, n), known, n),
        "ilvs_per_endosome": Outcome(number.mean(), *mean_interval(number), len(ilvs), n),
        "fraction_40_100_nm": Outcome(share, *ends, known, n),
    }


@matplotlib.rc_context(STYLE)
def sweep_figure(record: RunRecord, keys: list[str]) -> Figure:
    """Each outcome over one parameter, or over two; members that differ in others only are taken together.

    Raises ValueError where ``keys`` are not one or two of `varied`, or nothing was collected.
    """
    known = varied(record)
    if not 1 <= len(keys) <= 2 or not set(keys) <= set(known):
        raise ValueError(f"cannot draw over {', '.join(keys) or 'nothing'}: give one or two of {', '.join(known)}")
    rows = _complete(record)
    classes = [_classes(record.members[key][rows]) for key in keys]
    groups = {}
    for row, *places in zip(rows, *(places for places, _ in classes)):
        groups.setdefault(tuple(places), []).append(row)
    found = {place: outcomes(record, np.array(own)) for place, own in groups.items()}
    figure = Figure(figsize=(WIDTH_INCH, 2.6))
    for axes, (name, label) in zip(figure.subplots(1, 3), OUTCOMES.items()):
        if len(keys) == 1:
            _over_one(axes, {centre: found[place][name] for place, centre in _centres(classes[0], found)}, keys[0])
            axes.set_ylabel(label)
        else:
            image = _over_two(axes, classes, {place: of[name] for place, of in found.items()}, keys)
            figure.colorbar(image, ax=axes, location="top", label=label)
    return figure


@matplotlib.rc_context(STYLE)
def sensitivity_figure(record: RunRecord) -> Figure:
    """Partial rank correlation of each outcome with each parameter, 95 % intervals; pale where zero is not excluded.

    Raises ValueError where nothing varies, or where there are too few points for so many parameters.
    """
    keys, table = varied(record), record.members
    if not keys:
        raise ValueError(f"no number varies among the members of {record.path}")
    rows = _complete(record)
    points, needed = len(np.unique(table["point"][rows])), least_points(len(keys))
    if points < needed:
        raise ValueError(
            f"{record.path} has {points} different points that are complete, but {len(keys)} parameters vary "
            f"({', '.join(keys)}): at least {needed} points are needed; replicas of one point count once"
        )
    parameters = np.column_stack([table[key][rows] for key in keys])
    values = {
        "median_nm": table["median_nm"][rows],
        "ilvs_per_endosome": table["ilv_count"][rows] / table["endosomes"][rows],
        "fraction_40_100_nm": table["fraction_40_100_nm"][rows],
    }
    found = {name: partial_rank_correlations(parameters, y, table["point"][rows]) for name, y in values.items()}
    order = np.argsort([-np.nanmax([abs(found[name][j].value) for name in found] + [0]) for j in range(len(keys))])
    figure = Figure(figsize=(WIDTH_INCH, 1.2 + 0.28 * len(keys)))
    for axes, (name, label) in zip(figure.subplots(1, 3, sharey=True), OUTCOMES.items()):
        for place, j in enumerate(order):
            of = found[name][j]
            sure = of.low > 0 or of.high < 0
            axes.barh(place, of.value, color=OKABE_ITO[0], alpha=1.0 if sure else 0.3)
            axes.plot([of.low, of.high], [place, place], color="black", lw=0.8)
        number = np.isfinite(values[name]).sum()
        axes.set(xlim=(-1, 1), xticks=(-0.5, 0, 0.5), xlabel="partial rank\ncorrelation")
        axes.set_title(f"{label}\n{number} members", fontsize=7)
        axes.set_yticks(range(len(keys)), [_words(keys[j]) for j in order])
        axes.axvline(0, color="black", lw=0.6)
        axes.invert_yaxis()
    return figure


def _classes(values):
    """(class of each value, centre of each class): the values themselves, or quantiles where there are many."""
    each = np.unique(values)
    if len(each) <= 2 * BINS:
        return np.searchsorted(each, values), each
    edges = np.quantile(values, np.linspace(0, 1, BINS + 1))
    places = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, BINS - 1)
    return places, np.array([np.median(values[places == place]) for place in range(BINS)])


def _centres(classes, found):
    return [((place,), centre) for place, centre in enumerate(classes[1]) if (place,) in found]


def _over_one(axes, found, key):
    x, of = np.array(list(found)), list(found.values())
    value, low, high = (np.array([getattr(o, part) for o in of]) for part in ("value", "low", "high"))
    axes.fill_between(x, low, high, color=OKABE_ITO[0], alpha=0.2, lw=0)
    axes.plot(x, value, "o-", color=OKABE_ITO[0], ms=3.5, lw=1)
    axes.set_xlabel(_words(key), fontsize=7.5)
    if _logarithmic(x):
        axes.set_xscale("log")
    if np.isfinite(high).any():
        axes.set_ylim(bottom=0)


def _over_two(axes, classes, found, keys):
    (_, x), (_, y) = classes
    table = np.full((len(y), len(x)), np.nan)
    for (i, j), of in found.items():
        table[j, i] = of.value
        if np.isfinite(of.low) and len(x) <= MOST_NUMBERS:
            axes.text(i, j, f"{of.value:.3g}\n{of.low:.3g}-{of.high:.3g}", ha="center", va="center", fontsize=5.5)
    image = axes.imshow(table, origin="lower", aspect="auto", cmap="viridis", alpha=0.75)
    axes.set_xticks(range(len(x)), [f"{v:.3g}" for v in x], rotation=90 if len(x) > 5 else 0)
    axes.set_yticks(range(len(y)), [f"{v:.3g}" for v in y])
    axes.set_xlabel(_words(keys[0]), fontsize=7.5)
    axes.set_ylabel(_words(keys[1]), fontsize=7.5)
    return image


def _logarithmic(x):
    return x.min() > 0 and x.max() > 30 * x.min()


def _words(key: str) -> str:
    """A dotted key as a label: its section where the name does not say it, the name, the unit it ends in."""
    *sections, name = key.split(".")
    unit = next((u for u in UNITS if name.endswith(f"_{u}")), None)
    words = name.removesuffix(f"_{unit}").replace("_", " ") + (f" ({UNITS[unit]})" if unit else "")
    return words if not sections or sections[-1] in words else f"{sections[-1]}: {words}"
