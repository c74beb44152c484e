"""A prediction as text: a table with a summary for people, and CSV or JSON for programs."""

import csv
import json

import numpy as np

from membrane.bud.situation import NEVER_S, YEAR_S, Prediction
from membrane.units import PN_PER_NM_PER_UN_PER_M

UNIVERSE_S = 13.8e9 * YEAR_S
"""Age of the universe. The text calls what takes longer "never"."""


def report(prediction: Prediction) -> str:
    """The whole prediction as text: inputs, table with legend, summary."""
    return "\n\n".join((inputs(prediction), table(prediction), LEGEND, summary(prediction)))


def inputs(prediction: Prediction) -> str:
    """The situation that the law was given, one quantity a line."""
    here = prediction.situation
    kT = here.thermal_energy
    lines = (
        ("line tension of the mixture", f"{here.line_tension:.3f} pN"),
        ("spontaneous curvature, domain", f"{here.curvature_inside:+.4f} /nm"),
        ("spontaneous curvature, host", f"{here.curvature_outside:+.4f} /nm"),
        ("bending rigidity, domain and host", f"{here.rigidity_inside / kT:g} and {here.rigidity_outside / kT:g} kBT"),
        ("Gaussian modulus, domain less host", f"{here.gaussian_contrast / kT:g} kBT"),
        ("tension", f"{here.tension / PN_PER_NM_PER_UN_PER_M:g} uN/m"),
        ("radius of the host", f"{here.host_radius:.0f} nm"),
    )
    return "\n".join(f"{name:36s}{value}" for name, value in lines)


COLUMNS = ("diameter_nm", "barrier_kBT", "waiting", "factor", "neck", "opening_kBT", "angle_deg", "verdict")


LEGEND = """\
diameter_nm   diameter of the vesicle that the whole domain makes
barrier_kBT   energy from the dimple (the domain's resting shape) to the highest state before the bud; 0: none is left
waiting       mean time until the domain is a bud; never: longer than the universe is old
factor        the waiting time is known within this factor, up or down, if the inputs are right: it is larger where
              the domain snaps from one shape to another, and 1 for the cap, which is a closed form
neck          radius of the bud's neck; closes: it shrinks by itself until it breaks; no bud: no such state
opening_kBT   energy from an open bud back to the dimple
angle_deg     contact angle of the dimple at its rim; 0 is flat
-             there is no such state or number"""


def table(prediction: Prediction) -> str:
    """The table as text, with one row for each diameter. `LEGEND` explains the columns."""
    rows = [COLUMNS, *(_row(prediction, i) for i in range(len(prediction.diameters))[prediction.shown])]
    return "\n".join("  ".join(cell.rjust(12) for cell in row[:-1]) + "  " + row[-1] for row in rows)


def _row(prediction, i) -> tuple[str, ...]:
    answer = prediction.answer
    neck = answer.neck_radius_nm[i]
    words = "closes" if answer.neck_closed[i] else f"{neck:.1f} nm" if np.isfinite(neck) else "no bud"
    return (
        f"{prediction.diameters[i]:g}",
        _number(answer.barrier_kBT[i], ".1f"),
        duration(prediction.waiting_s[i]),
        f"{answer.rate_factor[i]:g}" if prediction.waiting_s[i] < UNIVERSE_S else "-",
        words,
        _number(answer.opening_barrier_kBT[i], ".1f"),
        _number(np.degrees(answer.contact_angle_rad[i]), ".0f"),
        verdict(prediction, i),
    )


def verdict(prediction: Prediction, i: int) -> str:
    """What becomes of the domain of the ``i``-th diameter, in words."""
    answer, waiting = prediction.answer, prediction.waiting_s[i]
    barrier = f"barrier {answer.barrier_kBT[i]:.0f} kT" if np.isfinite(answer.barrier_kBT[i]) else "nor a way to one"
    if not np.isfinite(answer.neck_radius_nm[i]):
        if waiting > NEVER_S:
            return f"no bud state ({barrier})"
        return f"no bud state; driven to the gate within {duration(waiting)}"
    if waiting > UNIVERSE_S:
        return f"never buds ({barrier})"
    if waiting > NEVER_S:
        return f"buds only in {duration(waiting)} ({barrier})"
    words = "buds" if answer.direction[i] > 0 else "buds outward"
    words += f" at once ({duration(waiting)})" if answer.barrier_kBT[i] == 0 else f" within {duration(waiting)}"
    if answer.neck_closed[i]:
        return words
    if prediction.scission_s[i] > NEVER_S:
        return f"{words}, stays an open bud; scission aid needed"
    aided = " with aid" if answer.aided_rate_per_s[i] > answer.scission_rate_per_s[i] else ""
    return f"{words}, open neck breaks{aided} within {duration(prediction.scission_s[i])}"


def summary(prediction: Prediction) -> str:
    """From which diameters on domains bud, have no barrier and close their necks, in one or two sentences."""
    widest, time = prediction.diameters[-1], duration(prediction.duration_s)
    slowest, timely = prediction.within(NEVER_S), prediction.within(prediction.duration_s)
    size = lambda value: f"{value:.0f} nm" if np.isfinite(value) else f"no size up to {widest:g} nm"
    if np.isnan(slowest):
        return f"No budding at any size up to {widest:g} nm."
    if np.isnan(timely):
        budding = (
            f"No domain up to {widest:g} nm buds within the run's {time}; {size(slowest)} takes {duration(NEVER_S)}"
        )
    else:
        budding = f"Domains bud within the run's {time} from {size(timely)} on"
    lost, closing = size(prediction.without_barrier), size(prediction.closing)
    return f"{budding}. The barrier is lost at {lost}, the neck closes by itself at {closing}."


def _number(value, form) -> str:
    return format(value, form) if np.isfinite(value) else "-"


def duration(seconds: float) -> str:
    """A time with a unit that suits it.

    >>> duration(0.0123), duration(7200.0), duration(1e30)
    ('12 ms', '2 h', 'never')
    """
    if not seconds < UNIVERSE_S:
        return "never"
    units = ((1e9 * YEAR_S, "billion years"), (1e6 * YEAR_S, "million years"), (1e3 * YEAR_S, "thousand years"))
    units += ((YEAR_S, "years"), (86400, "days"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "us"))
    scale, unit = next(((s, u) for s, u in units if seconds >= s), (1e-9, "ns"))
    return f"{seconds / scale:.2g} {unit}" if seconds / scale < 100 else f"{seconds / scale:.0f} {unit}"


def rows(prediction: Prediction) -> list[dict]:
    """The table as numbers, one dictionary for each diameter; None where there is no number or a time is infinite."""
    answer = prediction.answer
    columns = {
        "diameter_nm": prediction.diameters,
        "barrier_kBT": answer.barrier_kBT,
        "waiting_s": prediction.waiting_s,
        "waiting_factor": answer.rate_factor,
        "neck_radius_nm": answer.neck_radius_nm,
        "neck_closes": answer.neck_closed,
        "scission_s": prediction.scission_s,
        "opening_barrier_kBT": answer.opening_barrier_kBT,
        "contact_angle_deg": np.degrees(answer.contact_angle_rad),
        "direction": answer.direction,
    }
    return [
        {name: _plain(values[i]) for name, values in columns.items()} | {"verdict": verdict(prediction, i)}
        for i in range(len(prediction.diameters))[prediction.shown]
    ]


def as_csv(prediction: Prediction, file) -> None:
    """Write `rows` to an open file as CSV with a header. A cell is empty where there is no number."""
    found = rows(prediction)
    writer = csv.DictWriter(file, list(found[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)


def as_json(prediction: Prediction, file) -> None:
    """Write the situation, `rows` and the thresholds to an open file as JSON; null where there is no number."""
    here = prediction.situation
    kT = here.thermal_energy
    given = {
        "line_tension_pN": here.line_tension,
        "spontaneous_curvature_domain_per_nm": here.curvature_inside,
        "spontaneous_curvature_host_per_nm": here.curvature_outside,
        "bending_rigidity_domain_kBT": here.rigidity_inside / kT,
        "bending_rigidity_host_kBT": here.rigidity_outside / kT,
        "gaussian_modulus_contrast_kBT": here.gaussian_contrast / kT,
        "tension_uN_per_m": here.tension / PN_PER_NM_PER_UN_PER_M,
        "host_radius_nm": here.host_radius,
        "duration_s": prediction.duration_s,
    }
    thresholds = {
        "buds_within_duration_from_nm": prediction.within(prediction.duration_s),
        "no_barrier_from_nm": prediction.without_barrier,
        "neck_closes_from_nm": prediction.closing,
    }
    plain = lambda numbers: {name: _plain(value) for name, value in numbers.items()}
    whole = {"inputs": plain(given), "rows": rows(prediction), "thresholds": plain(thresholds)}
    file.write(json.dumps(whole, indent=2, allow_nan=False) + "\n")


def _plain(value):
    """A number of numpy as a number of Python; None where it is not finite."""
    value = np.asarray(value).item()
    return value if np.isfinite(value) else None
