"""A comparison as text for people and as JSON for programs."""

import json
from typing import Any

import numpy as np

from membrane.comparison.compare import Comparison
from membrane.comparison.seen import CHANGE
from membrane.outcome.intervals import LEVEL, words

ASSUMED = (
    "every ILV leaves the cell, one as likely as the other, and nothing else is in the sample",
    "both sides are normalised, so that only their shapes are compared",
)
"""What every comparison assumes."""

FEW = 0.05
"""Where a smaller share of the ILVs is recorded, the rest decides what is seen, and that is said."""


def report(comparison: Comparison) -> str:
    """The whole comparison as text: the headline, what stands behind it, and all that was assumed."""
    return "\n".join([headline(comparison), *_lines(comparison)])


def headline(comparison: Comparison) -> str:
    """Both medians with their intervals, and the assumption that moves the one as seen most, in one sentence."""
    medians, intervals = comparison.medians_nm, comparison.median_intervals_nm
    seen = words(*intervals["seen"], comparison.endosomes, ".1f")
    return (
        f"seen by {comparison.view.name} the median is {medians['seen']:.1f} nm ({seen}), measured it is "
        f"{medians['measured']:.1f} nm ({_measured_words(comparison)}); {_moved(comparison)}"
    )


def _measured_words(comparison: Comparison) -> str:
    low, high = comparison.median_intervals_nm["measured"]
    if np.isfinite(low) and np.isfinite(high):
        return f"{100 * LEVEL:.0f} %: {low:.1f}-{high:.1f}"
    if comparison.measured.n_effective is None and comparison.captures is None:
        return "no interval, the number of particles is unknown: --particles tells it"
    return "no interval, too few particles"


def _moved(comparison: Comparison) -> str:
    moves = list(comparison.moves_nm.items())
    if not moves:
        return "no setting of the instrument moves it"
    name, by = moves[0]
    return (
        f"the assumption that moves it most: {_setting(comparison, name)}, by {by:.1f} nm for "
        f"{100 * CHANGE:.0f} % more or less"
    )


def _setting(comparison: Comparison, name: str) -> str:
    if name == "thickness_nm":
        return f"{name} {comparison.view.thickness_nm:g} nm"
    unit = comparison.view.instrument.settings[name].unit
    return f"{name} {comparison.view.settings[name]:g}{'' if unit == '-' else ' ' + unit}"


def _lines(comparison: Comparison) -> list[str]:
    measured, medians, view = comparison.measured, comparison.medians_nm, comparison.view
    source = measured.source.name if measured.source else "sizes"
    n = "an unknown number of" if measured.n_effective is None else f"{measured.n_effective:.0f}"
    captures = "" if comparison.captures is None else f", {len(comparison.captures)} captures"
    lines = [
        f"predicted  {comparison.n} ILVs from {comparison.endosomes} endosomes: median {medians['mid_plane']:.1f} nm "
        f"at the mid-plane, {medians['outer']:.1f} nm outside, {medians['seen']:.1f} nm as seen",
        f"measured   {source}: {measured.what} of {n} particles{captures}",
        f"distance   {_distance(comparison)}",
        f"not seen   {_unseen(comparison)}",
    ]
    if comparison.outside > 0.001:
        lines.append(
            f"outside    {100 * comparison.outside:.1f} % of what is seen of the ILVs lies outside of the bins of the "
            f"file ({measured.edges_nm[0]:g} to {measured.edges_nm[-1]:g} nm)"
        )
    settings = ", ".join(
        [*(_setting(comparison, name) for name in view.settings), _setting(comparison, "thickness_nm")]
    )
    lines.append(f"instrument {view.name}: {settings}")
    return lines + [f"assumed    {sentence}" for sentence in (*ASSUMED, *measured.assumed)]


def _distance(comparison: Comparison) -> str:
    found, ends = comparison.distances, comparison.distance_intervals
    interval = lambda name, form: (
        f"{100 * LEVEL:.0f} %: {ends[name][0]:{form}}-{ends[name][1]:{form}}"
        if np.isfinite(ends[name]).all()
        else "no interval, the error of one side is unknown"
    )
    told = (
        f"Kolmogorov-Smirnov {found['kolmogorov_smirnov']:.2f} ({interval('kolmogorov_smirnov', '.2f')}), "
        f"Wasserstein {found['wasserstein_nm']:.1f} nm ({interval('wasserstein_nm', '.1f')})"
    )
    lowest = [ends[name][0] for name in ends]
    if not np.isfinite(lowest).all():
        return told
    return told + ("; errors alone may explain it" if min(lowest) == 0 else "; errors alone do not explain it")


def _unseen(comparison: Comparison) -> str:
    if comparison.unseen is None:
        return f"{comparison.view.name} has no limit of detection here; large vesicles count more than small ones"
    share, blind = comparison.unseen, comparison.blind_below_nm
    told = f"{100 * share:.0f} % of the ILVs are not recorded"
    if blind["half"] is not None:
        told += f"; fewer than half of those up to {blind['half']:.0f} nm are"
    if blind["twentieth"] is not None:
        told += f", fewer than 1 in 20 up to {blind['twentieth']:.0f} nm"
    if 1 - share < FEW:
        told += ". What is seen rests on a few of the largest ILVs"
    return told


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain numbers; None where there is no number."""
    view, measured, blind = comparison.view, comparison.measured, comparison.blind_below_nm
    shares = comparison.shares()
    edges = shares.pop("edges_nm")
    rows = zip(edges[:-1], edges[1:], *shares.values())
    names = [
        "from_nm",
        "to_nm",
        *("_share_".join(name.split("_")) if "_" in name else f"{name}_share" for name in shares),
    ]
    return {
        "file": str(measured.source) if measured.source else None,
        "values": measured.what,
        "particles": measured.n_effective,
        "captures": None if measured.captures is None else len(measured.captures),
        "dilution": measured.dilution,
        "instrument": view.name,
        "settings": view.settings,
        "thickness_nm": view.thickness_nm,
        "ilvs": comparison.n,
        "endosomes": comparison.endosomes,
        "interval_level": LEVEL,
        "median_nm": _with_ends(comparison.medians_nm, comparison.median_intervals_nm),
        "distance": _with_ends(comparison.distances, comparison.distance_intervals),
        "share_not_recorded": comparison.unseen,
        "share_outside_the_bins": comparison.outside,
        "fewer_than_half_recorded_up_to_nm": blind["half"],
        "fewer_than_1_in_20_recorded_up_to_nm": blind["twentieth"],
        "setting_changed_by": CHANGE,
        "setting_moves_median_nm": comparison.moves_nm,
        "assumed": [*ASSUMED, *measured.assumed],
        "rows": [dict(zip(names, map(_plain, row))) for row in rows],
    }


def as_json(comparison: Comparison, archive: str) -> str:
    """The same as JSON, with the name of the ``archive``."""
    return json.dumps({"archive": archive, **as_dict(comparison)}, indent=2, allow_nan=False) + "\n"


def _with_ends(values: dict[str, float], intervals: dict[str, tuple[float, float]]) -> dict[str, float | None]:
    found = {name: _plain(value) for name, value in values.items()}
    for name, (low, high) in intervals.items():
        found |= {f"{name}_low": _plain(low), f"{name}_high": _plain(high)}
    return found


def _plain(value) -> float | None:
    return float(value) if np.isfinite(value) else None
