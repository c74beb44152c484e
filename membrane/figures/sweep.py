"""Figures of a collected archive: its outcomes over the parameters that vary, and which of these decide."""

from dataclasses import dataclass

import numpy as np

from membrane.archive import RunRecord
from membrane.figures.canvas import Figure, Normalize, style
from membrane.figures.style import OKABE_ITO, WIDTH_INCH
from membrane.outcome.intervals import mean_interval, median_interval, share_interval
from membrane.outcome.sensitivity import (
    LEAST_FOR_INDEX,
    Sensitivity,
    first_order_indices,
    least_points,
    partial_rank_correlations,
)
from membrane.outcome.sizes import EXOSOME_RANGE_NM

OUTCOMES = {
    "median_nm": "median diameter (nm)",
    "ilvs_per_endosome": "ILVs per endosome",
    "fraction_40_100_nm": "share in 40-100 nm",
}

BINS = 8
"""If a parameter has many values, they are taken together in this many classes of equally many points."""


@dataclass(frozen=True)
class Outcome:
    """An outcome of some members of a sweep.

    Args:
        value: the outcome itself.
        low, high: ends of its 95 % interval; NaN if there are too few endosomes for one.
        ilvs: number of ILVs that it rests on. A median or a share counts those of known diameter, a yield counts all.
        endosomes: number of endosomes that it rests on.
    """

    value: float
    low: float
    high: float
    ilvs: int
    endosomes: int


UNIT_LABELS = {
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
"""Units as keys of a configuration end in them, and how they are written. Longer ones stand before shorter ones."""


def varied(record: RunRecord) -> list[str]:
    """Keys whose numbers differ between members. Raises ValueError if there is no table of members."""
    if not record.members:
        raise ValueError(f"{record.path} is no collected archive; collect a sweep with python -m membrane.collect")
    numbers = {
        name: values
        for name, values in record.members.items()
        if "." in name or name in ("temperature_C", "duration_s")
    }
    return [name for name, values in numbers.items() if values.dtype.kind == "f" and np.ptp(values) > 0]


def _complete(record: RunRecord) -> np.ndarray:
    """Rows of the members that have come to their end; the others have had less time to bud."""
    rows = np.flatnonzero(np.asarray(record.members["status"]) == "complete")
    if not len(rows):
        raise ValueError(f"no member in {record.path} is complete: run python -m membrane.ensemble to the end")
    return rows


def outcomes(record: RunRecord, members: np.ndarray) -> dict[str, Outcome]:
    """The outcomes of all endosomes of some members of a sweep together, by the names of OUTCOMES.

    ``members`` are rows of the table of members. Intervals are those of `membrane.outcome.intervals`. ILVs of unknown
    diameter count in the yield only.
    """
    table = record.members
    first, count = table["first_endosome"][members], table["endosomes"][members]
    endosomes = np.concatenate([np.arange(f, f + n) for f, n in zip(first, count)])
    ilvs = record.ilvs
    ilvs = ilvs[np.isin(ilvs["endosome"], endosomes)]
    order = np.argsort(endosomes)
    # For each ILV: which of the endosomes it comes from, counted from 0.
    owner = order[np.searchsorted(endosomes, ilvs["endosome"], sorter=order)]
    diameter, n = ilvs["diameter_nm"], len(endosomes)
    number = np.bincount(owner, minlength=n)
    low, high = EXOSOME_RANGE_NM
    inside = np.bincount(owner[(diameter >= low) & (diameter <= high)], minlength=n)
    sized = np.bincount(owner[np.isfinite(diameter)], minlength=n)
    known = int(sized.sum())
    median, share = (np.nanmedian(diameter), inside.sum() / known) if known else (np.nan, np.nan)
    ends = [float(end) for end in share_interval(inside, sized)]
    return {
        "median_nm": Outcome(median, *median_interval(diameter, owner, n), known, n),
        "ilvs_per_endosome": Outcome(number.mean(), *mean_interval(number), len(ilvs), n),
        "fraction_40_100_nm": Outcome(share, *ends, known, n),
    }


@style()
def sweep_figure(record: RunRecord, keys: list[str]) -> Figure:
    """Each outcome over one or two of the parameters that vary; members that differ only in others are taken together.

    Over two parameters whose values fill a table, each outcome is a map with value, interval and numbers in every cell.
    Over two whose points are scattered (a Latin hypercube, a Sobol sequence), the points are shown in colours.

    Args:
        record: what was read from a collected archive.
        keys: one or two of the keys that `varied` gives.

    Raises ValueError for other keys, or if no member is complete.
    """
    known = varied(record)
    if not 1 <= len(keys) <= 2 or len(set(keys)) < len(keys) or not set(keys) <= set(known):
        raise ValueError(f"cannot draw over {', '.join(keys) or 'nothing'}: give one or two of {', '.join(known)}")
    rows = _complete(record)
    values = np.column_stack([record.members[key][rows] for key in keys])
    if len(keys) == 1:
        return _over_one(record, rows, values[:, 0], keys[0])
    # A table would be empty in more than half of its cells.
    if 2 * len(np.unique(values, axis=0)) < np.prod([len(np.unique(column)) for column in values.T]):
        return _scattered(record, rows, values, keys)
    return _map(record, rows, values, keys)


MEASURES = {
    "partial_rank_correlation": "partial rank\ncorrelation",
    "first_order_index": "first-order\nindex",
}
"""Two measures of how much a parameter decides (`membrane.outcome.sensitivity`), and how they are written. The first
tells the direction of its effect, the second the share of the variance that it explains alone."""


@dataclass(frozen=True)
class Screening:
    """How much each parameter of a sweep decides.

    Args:
        keys: the parameters that vary.
        values: of each outcome, (members,).
        points: the number of the point of each member, (members,).
        found: by measure and outcome, a `Sensitivity` for each key.
        lacking: why a measure is absent from ``found``; empty if none is.
    """

    keys: list[str]
    values: dict[str, np.ndarray]
    points: np.ndarray
    found: dict[str, dict[str, list[Sensitivity]]]
    lacking: str

    @property
    def rows(self) -> list[dict]:
        """A row for each parameter, outcome and measure: value, ends of its 95 % interval, number of points."""
        return [
            {"parameter": key, "outcome": outcome, "measure": measure}
            | {"value": of.value, "low": of.low, "high": of.high, "points": self.known_points(outcome)}
            for measure, by_outcome in self.found.items()
            for outcome, each in by_outcome.items()
            for key, of in zip(self.keys, each, strict=True)
        ]

    def known_points(self, outcome: str) -> int:
        """Number of points at which an outcome is known."""
        return len(np.unique(self.points[np.isfinite(self.values[outcome])]))


def screening(record: RunRecord) -> Screening:
    """How much each parameter of a collected sweep decides each outcome, by both measures.

    Raises ValueError if nothing varies, or if there are too few points for so many parameters.
    """
    keys, table = varied(record), record.members
    if not keys:
        raise ValueError(f"no number varies among the members of {record.path}")
    rows = _complete(record)
    points, needed = table["point"][rows], least_points(len(keys))
    if len(np.unique(points)) < needed:
        raise ValueError(
            f"{record.path} has {len(np.unique(points))} different points that are complete, but {len(keys)} "
            f"parameters vary ({', '.join(keys)}): at least {needed} points are needed; replicas of one point count "
            "once"
        )
    parameters = np.column_stack([table[key][rows] for key in keys])
    values = {
        "median_nm": table["median_nm"][rows],
        "ilvs_per_endosome": table["ilv_count"][rows] / table["endosomes"][rows],
        "fraction_40_100_nm": table["fraction_40_100_nm"][rows],
    }
    of_each = lambda measure: {name: measure(parameters, y, points) for name, y in values.items()}
    found, lacking = {"partial_rank_correlation": of_each(partial_rank_correlations)}, ""
    if len(np.unique(points)) < LEAST_FOR_INDEX:
        lacking = f"no first-order indices: they take {LEAST_FOR_INDEX} points"
    else:
        try:
            found["first_order_index"] = of_each(first_order_indices)
        except ImportError as error:
            lacking = f"no first-order indices: {error}"
    return Screening(keys, values, points, found, lacking)


@style()
def sensitivity_figure(record: RunRecord) -> Figure:
    """Partial rank correlation (upper row) and first-order index (lower row) of each outcome with each parameter.

    Bars have 95 % intervals and are pale if the interval holds zero. Raises ValueError if nothing varies, or if there
    are too few points for so many parameters.
    """
    of = screening(record)
    each = [found for by_outcome in of.found.values() for found in by_outcome.values()]
    order = np.argsort([-np.nanmax([abs(found[j].value) for found in each] + [0]) for j in range(len(of.keys))])
    figure = Figure(figsize=(WIDTH_INCH, 0.6 + (0.9 + 0.28 * len(of.keys)) * len(of.found)))
    grid = figure.subplots(len(of.found), 3, sharey=True, squeeze=False)
    for line, (measure, by_outcome) in zip(grid, of.found.items()):
        for axes, found in zip(line, by_outcome.values(), strict=True):
            _draw_bars(axes, [found[j] for j in order], measure)
            axes.set_yticks(range(len(of.keys)), [_key_label(of.keys[j]) for j in order])
    needed = least_points(len(of.keys))
    for axes, (name, label) in zip(grid[0], OUTCOMES.items()):
        known = np.isfinite(of.values[name])
        why = _why_unknown(of.values[name][known], of.known_points(name), needed) or f"{known.sum()} members"
        axes.set_title(f"{label}\n{why}", fontsize=7)
    note = (
        "line: 95 % interval over points; pale: it holds zero, so even the sign is not known\n"
        "unknown: nothing is left to explain once the other parameters are taken out, or as the title says"
    )
    if "first_order_index" in of.found:
        note += "\nfirst-order index: share of the variance that the parameter explains alone, in whatever way it acts"
    figure.supxlabel(note + (f"\n{of.lacking}" if of.lacking else ""), fontsize=6.5)
    return figure


def _draw_bars(axes, found: list[Sensitivity], measure: str) -> None:
    """A bar with its interval for each parameter, from the top; it is pale if the interval holds zero."""
    for place, of in enumerate(found):
        sure = of.low > 0 or of.high < 0
        axes.barh(place, of.value, color=OKABE_ITO[0], alpha=1.0 if sure else 0.3)
        axes.plot([of.low, of.high], [place, place], color="black", lw=0.8)
        if not np.isfinite(of.value):
            axes.text(0.03, place, "unknown", ha="left", va="center", fontsize=6.5, color="0.4")
    correlation = measure == "partial_rank_correlation"
    limits, ticks = ((-1, 1), (-0.5, 0, 0.5)) if correlation else ((0, 1), (0, 0.5, 1))
    axes.set(xlim=limits, ylim=(len(found) - 0.5, -0.5), xticks=ticks, xlabel=MEASURES[measure])
    axes.axvline(0, color="black", lw=0.6)


def _why_unknown(values, points, needed) -> str:
    """Why there is no correlation with an outcome; empty if there may be one."""
    if points < needed:
        return f"known at {points} points, {needed} are needed"
    return "the same in all members" if np.ptp(values) == 0 else ""


def _classes(values):
    """Class of each value, counted from 0, and the centre of each class.

    Each value is a class of its own, or, if there are many, the classes are quantiles.
    """
    each = np.unique(values)
    if len(each) <= 2 * BINS:
        return np.searchsorted(each, values), each
    edges = np.quantile(values, np.linspace(0, 1, BINS + 1))
    places = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, BINS - 1)
    return places, np.array([np.median(values[places == place]) for place in range(BINS)])


def _groups(record, rows, places):
    """Outcomes of all members at the same place together, by place; ``places`` are (members, keys)."""
    groups = {}
    for row, place in zip(rows, places.tolist()):
        groups.setdefault(tuple(place), []).append(row)
    return {place: outcomes(record, np.array(members)) for place, members in sorted(groups.items())}


def _over_one(record, rows, values, key):
    """The figure of each outcome over one parameter."""
    places, centres = _classes(values)
    found = _groups(record, rows, places[:, None])
    x = np.array([centres[place] for (place,) in found])
    figure = Figure(figsize=(WIDTH_INCH, 6.0))
    panels = figure.subplots(3, 1, sharex=True)
    for axes, (name, label) in zip(panels, OUTCOMES.items()):
        of = [found[place][name] for place in found]
        value, low, high = (np.array([getattr(o, part) for o in of]) for part in ("value", "low", "high"))
        wide = high > low
        axes.errorbar(
            x[wide], value[wide], [value[wide] - low[wide], high[wide] - value[wide]], fmt="none", color="0.4", lw=1
        )
        axes.plot(x, value, "o-", color=OKABE_ITO[0], ms=3.5, lw=1, clip_on=False)
        axes.set_ylabel(label, fontsize=7.5)
        if _logarithmic(x):
            axes.set_xscale("log")
        if name == "fraction_40_100_nm":
            axes.set_ylim(0, 1)
        elif np.isfinite(value).any():
            axes.set_ylim(bottom=0)
        turned = 90 if len(x) > 8 else 0
        for at, o in zip(x, of):
            axes.annotate(
                f"{o.ilvs} / {o.endosomes}",
                (at, 1),
                (0, 2),
                ("data", "axes fraction"),
                "offset points",
                ha="center",
                va="bottom",
                fontsize=6,
                rotation=turned,
            )
    panels[-1].set_xlabel(_key_label(key), fontsize=7.5)
    figure.supxlabel(f"bars: 95 % intervals over endosomes, where there are enough; {NUMBERS}", fontsize=6.5)
    return figure


NUMBERS = "n / m: n ILVs from m endosomes"
"""What the legend says of the numbers at the points and in the cells."""


def _map(record, rows, values, keys):
    """The figure of each outcome as a table over two parameters."""
    (i, x), (j, y) = (_classes(column) for column in values.T)
    found = _groups(record, rows, np.column_stack([i, j]))
    figure = Figure(figsize=(max(WIDTH_INCH, 1.6 + 0.62 * len(x)), 3 * max(1.5, 0.3 + 0.42 * len(y)) + 0.6))
    panels = figure.subplots(3, 1, sharex=True)
    for axes, (name, label) in zip(panels, OUTCOMES.items()):
        table = np.full((len(y), len(x)), np.nan)
        limits = _range(name, [of[name] for of in found.values()])
        for (column, line), of in found.items():
            o = of[name]
            table[line, column] = o.value
            value = f"{o.value:.3g}" if np.isfinite(o.value) else "\N{EN DASH}"
            interval = f"\n{o.low:.3g}\N{EN DASH}{o.high:.3g}" if o.high > o.low else ""
            dark = np.isfinite(o.value) and o.value < np.mean(limits)
            words = f"{value}{interval}\n{o.ilvs} / {o.endosomes}"
            axes.text(column, line, words, ha="center", va="center", fontsize=6.5, color="white" if dark else "black")
        image = axes.imshow(table, origin="lower", aspect="auto", cmap="viridis", norm=Normalize(*limits))
        axes.set_xticks(range(len(x)), [f"{v:.3g}" for v in x])
        axes.set_yticks(range(len(y)), [f"{v:.3g}" for v in y])
        figure.colorbar(image, ax=axes).set_label(label, fontsize=7.5)
    figure.supylabel(_key_label(keys[1]), fontsize=7.5)
    panels[-1].set_xlabel(_key_label(keys[0]), fontsize=7.5)
    figure.supxlabel(f"in a cell: value, 95 % interval over endosomes where there are enough, {NUMBERS}", fontsize=6.5)
    return figure


def _scattered(record, rows, values, keys):
    """The figure of each outcome at scattered points of two parameters."""
    found = _groups(record, rows, values)
    x, y = np.array(list(found)).T
    figure = Figure(figsize=(WIDTH_INCH, 2.9))
    for axes, (name, label) in zip(figure.subplots(1, 3, sharey=True), OUTCOMES.items()):
        of = [each[name] for each in found.values()]
        value = np.array([o.value for o in of])
        known = np.isfinite(value)
        axes.scatter(x[~known], y[~known], s=14, facecolors="none", edgecolors="0.6", lw=0.7)
        norm = Normalize(*_range(name, of))
        points = axes.scatter(x[known], y[known], c=value[known], s=18, cmap="viridis", norm=norm)
        for numbers, scale in ((x, axes.set_xscale), (y, axes.set_yscale)):
            if _logarithmic(numbers):
                scale("log")
        axes.set_xlabel(_key_label(keys[0]), fontsize=7.5)
        figure.colorbar(points, ax=axes, location="top", label=label)
    figure.supylabel(_key_label(keys[1]), fontsize=7.5)
    ilvs = [each["ilvs_per_endosome"] for each in found.values()]
    between = lambda numbers: f"{min(numbers)}\N{EN DASH}{max(numbers)}" if len({*numbers}) > 1 else f"{min(numbers)}"
    figure.supxlabel(
        f"{len(found)} points, of {between([o.ilvs for o in ilvs])} ILVs from {between([o.endosomes for o in ilvs])} "
        "endosomes each; open: unknown, no ILV of known size",
        fontsize=6.5,
    )
    return figure


def _range(name, found) -> tuple[float, float]:
    """Limits of the colours of an outcome.

    A share lies between 0 and 1, and a yield begins at 0. The colours of a median span at least its usual interval and
    a tenth of its value, so that chance makes no contrast.
    """
    values = np.array([o.value for o in found])
    values = values[np.isfinite(values)]
    if name == "fraction_40_100_nm" or not values.size:
        return 0.0, 1.0
    if name == "ilvs_per_endosome":
        return 0.0, max(values.max(), 1.0)
    widths = np.array([o.high - o.low for o in found])
    usual = np.median(widths[np.isfinite(widths)]) if np.isfinite(widths).any() else 0.0
    middle = 0.5 * (values.min() + values.max())
    half = 0.5 * max(np.ptp(values), usual, 0.1 * abs(middle))
    return middle - half, middle + half


def _logarithmic(x) -> bool:
    """Whether values are so far apart that a logarithmic axis shows them better."""
    return bool(x.min() > 0 and x.max() > 30 * x.min())


def _key_label(key: str) -> str:
    """A dotted key as a label: its name with its unit, after its section if the name does not contain that.

    >>> _key_label("membrane.tension_uN_per_m")
    'membrane: tension (µN/m)'
    """
    *sections, name = key.split(".")
    unit = next((u for u in UNIT_LABELS if name.endswith(f"_{u}")), None)
    words = name.removesuffix(f"_{unit}").replace("_", " ") + (f" ({UNIT_LABELS[unit]})" if unit else "")
    return words if not sections or sections[-1] in words else f"{sections[-1]}: {words}"
