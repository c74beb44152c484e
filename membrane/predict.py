"""python -m membrane.predict CONFIG.yaml: will a domain bud, at which diameter, over which barrier, how soon.

One domain of the Lo phase in its Ld host, both of the composition that coexists in the mixture, is put to the bud law
at one diameter after the other; nothing is simulated. Exit codes: 0 answered, 2 bad input.
"""

import os

# A warm cache makes XLA print two long lines about CPU features, of no concern here; jax reads this at its import.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from membrane.backend import BackendError, set_up_environment, set_up_jax
from membrane.build import bud_law, build_sheet, host_radius
from membrane.config import ConfigError, SheetConfig, load, tell
from membrane.console import BAD_INPUT, COMPLETE, command
from membrane.landscape import BudAnswer, Domain, Host
from membrane.paths import path
from membrane.units import PN_PER_NM_PER_UN_PER_M, thermal_energy
from membrane.wall import measure_wall

DIAMETERS_NM = tuple(range(20, 161, 10))

YEAR_S = 365.25 * 86400

NEVER_S = 1e9
"""What takes longer than 30 years does not happen."""

UNIVERSE_S = 13.8e9 * YEAR_S
"""What takes longer than the universe is old is called never."""

PARTS = 8
"""The law is asked at so many diameters for each row of the table, to find where its answer changes."""


@dataclass(frozen=True)
class Situation:
    """What a domain of a configuration finds: line tension (pN), spontaneous curvatures of the coexisting phases
    (1/nm), rigidities and Gaussian contrast (pN nm), tension (pN/nm), host radius (nm; the sphere of the box's area),
    kT (pN nm)."""

    line_tension: float
    curvature_inside: float
    curvature_outside: float
    rigidity_inside: float
    rigidity_outside: float
    gaussian_contrast: float
    tension: float
    host_radius: float
    thermal_energy: float

    @property
    def host(self) -> Host:
        return Host(self.tension, self.rigidity_outside, self.curvature_outside, self.host_radius)

    def domains(self, diameters) -> Domain:
        """Domains that make vesicles of these diameters (nm)."""
        size = np.asarray(diameters, float)
        full = lambda value: np.full(size.shape, value)
        return Domain(
            area=np.pi * size**2,
            spontaneous_curvature=full(self.curvature_inside),
            line_tension=full(self.line_tension),
            bending_rigidity=full(self.rigidity_inside),
            gaussian_modulus_contrast=full(self.gaussian_contrast),
        )


@dataclass(frozen=True)
class Prediction:
    """What the law answers (``answer``) at rising ``diameters`` (nm), ``shown`` of which are rows of the table."""

    situation: Situation
    duration_s: float
    diameters: np.ndarray
    answer: BudAnswer
    shown: slice

    @property
    def waiting_s(self) -> np.ndarray:
        """Mean time until the domain is a bud or, where there is none, at the gate; inf: never."""
        with np.errstate(divide="ignore"):
            return 1 / self.answer.rate_per_s

    @property
    def scission_s(self) -> np.ndarray:
        """Mean time until the neck of that bud breaks, with the scission aid's force if there is one."""
        with np.errstate(divide="ignore"):
            return 1 / self.answer.aided_rate_per_s

    @property
    def without_barrier(self) -> float:
        """Smallest diameter (nm) that becomes a bud without a barrier; nan: none does."""
        return self._first(self.answer.barrier_kBT == 0)

    @property
    def closing(self) -> float:
        """Smallest diameter (nm) that becomes a bud and closes its neck by itself; nan: none does."""
        return self._first(self.answer.neck_closed & (self.waiting_s <= NEVER_S))

    def within(self, seconds: float) -> float:
        """Smallest diameter (nm) that becomes a bud within ``seconds``, interpolated; nan: none does."""
        return crossing(self.diameters, self.waiting_s, seconds)

    def _first(self, holds) -> float:
        return float(self.diameters[np.argmax(holds)]) if holds.any() else np.nan


def crossing(diameters, waiting_s, seconds: float) -> float:
    """Smallest diameter whose waiting time is at most ``seconds``, by the time's logarithm; nan: none."""
    below = np.nonzero(waiting_s <= seconds)[0]
    if not len(below):
        return np.nan
    at = below[0]
    if not at or not np.isfinite(waiting_s[at - 1]):
        return float(diameters[at])
    ends = np.log([waiting_s[at], waiting_s[at - 1]])
    return float(np.interp(np.log(seconds), ends, [diameters[at], diameters[at - 1]]))


def situation_of(config: SheetConfig) -> Situation:
    """Compositions and line tension of the coexisting phases; ValueError where the mixture has no two phases."""
    sheet = build_sheet(config)
    wall, kT = measure_wall(sheet), thermal_energy(config.temperature_C)
    curvature = lambda phi, rest: float(sheet.helfrich.spontaneous_curvature({"phi": phi, **rest}))
    membrane = config.membrane
    return Situation(
        line_tension=wall.line_tension,
        curvature_inside=curvature(wall.phi_lo, wall.lo),
        curvature_outside=curvature(wall.phi_ld, wall.ld),
        rigidity_inside=membrane.bending_rigidity_lo_kBT * kT,
        rigidity_outside=membrane.bending_rigidity_ld_kBT * kT,
        gaussian_contrast=membrane.gaussian_modulus_contrast_kBT * kT,
        tension=membrane.tension_uN_per_m * PN_PER_NM_PER_UN_PER_M,
        host_radius=host_radius(config),
        thermal_energy=kT,
    )


def predict(config: SheetConfig, diameters=DIAMETERS_NM) -> Prediction:
    """Ask the configuration's law about domains that make vesicles of these diameters (nm).

    Raises ValueError for diameters that are not positive and rising or reach that of the host, and for a mixture
    without two phases.
    """
    return asked(situation_of(config), bud_law(config, hopeless=np.inf), diameters, config.duration_s)


def asked(situation: Situation, law, diameters, duration_s: float) -> Prediction:
    """As :func:`predict`, of any situation and law."""
    rows = _checked(diameters, situation)
    count = len(rows) * PARTS - PARTS + 1
    fine = np.interp(np.arange(count), PARTS * np.arange(len(rows)), rows)
    return Prediction(
        situation, duration_s, fine, law(situation.domains(fine), situation.host), slice(None, None, PARTS)
    )


def _checked(diameters, situation) -> np.ndarray:
    diameters, widest = np.asarray(diameters, float), 2 * situation.host_radius
    rising = diameters.ndim == 1 and diameters.size and (np.diff(diameters) > 0).all()
    if not rising or not (diameters > 0).all() or not (diameters < widest).all():
        raise ValueError(
            f"diameters {', '.join(f'{d:g}' for d in diameters.ravel()) or '(none)'} nm: must be positive, rising and "
            f"below the {widest:.0f} nm of the host; leave some out or enlarge geometry.box_nm"
        )
    return diameters


# Words ------------------------------------------------------------------------------------------------------------


def report(prediction: Prediction) -> str:
    """Inputs, table with its legend, and summary as text."""
    return "\n\n".join((inputs(prediction), table(prediction), LEGEND, summary(prediction)))


def inputs(prediction: Prediction) -> str:
    """What the law was told."""
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
    """One row a diameter, columns as in `LEGEND`."""
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
    """What becomes of the domain of diameter ``i``, in words."""
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
    """The thresholds in one or two sentences."""
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
    if not seconds < UNIVERSE_S:
        return "never"
    units = ((1e9 * YEAR_S, "billion years"), (1e6 * YEAR_S, "million years"), (1e3 * YEAR_S, "thousand years"))
    units += ((YEAR_S, "years"), (86400, "days"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "us"))
    scale, unit = next(((s, u) for s, u in units if seconds >= s), (1e-9, "ns"))
    return f"{seconds / scale:.2g} {unit}" if seconds / scale < 100 else f"{seconds / scale:.0f} {unit}"


# Numbers ----------------------------------------------------------------------------------------------------------


def rows(prediction: Prediction) -> list[dict]:
    """The table as numbers, one row a diameter; None where there is no number, and for a time without end."""
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
    """`rows` as CSV with a header; an empty cell where there is no number."""
    found = rows(prediction)
    writer = csv.DictWriter(file, list(found[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)


def as_json(prediction: Prediction, file) -> None:
    """What the law was told, `rows` and the thresholds as JSON; null where there is no number."""
    here = prediction.situation
    kT = here.thermal_energy
    told = {
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
    whole = {"inputs": plain(told), "rows": rows(prediction), "thresholds": plain(thresholds)}
    file.write(json.dumps(whole, indent=2, allow_nan=False) + "\n")


def _plain(value):
    """A number of numpy as one of Python; None where it is not finite."""
    value = np.asarray(value).item()
    return value if np.isfinite(value) else None


WRITERS = {"csv": as_csv, "json": as_json}


def main(argv: list[str] | None = None) -> int:
    """Answer one configuration; returns the exit code."""
    return command("membrane.predict", lambda: _main(argv))


def _main(argv: list[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    wanted = {name: given for name in WRITERS if (given := getattr(arguments, name))}
    try:
        _check_outputs(list(wanted.values()))
        config = load(arguments.config, arguments.set)
        if not isinstance(config, SheetConfig):
            raise ConfigError(f"{arguments.config}: kind {config.kind} has no bud law; give a configuration of a sheet")
        set_up_environment()
        set_up_jax(cache_from_s=1.0)
        prediction = predict(config, arguments.diameters)
        tell(config, arguments.config)
        if "-" not in wanted.values():
            print(report(prediction))
        for name, given in wanted.items():
            if given == "-":
                WRITERS[name](prediction, sys.stdout)
                continue
            with Path(given).expanduser().open("x", newline="", encoding="utf-8") as file:
                WRITERS[name](prediction, file)
    except (ConfigError, BackendError, ValueError, OSError) as error:
        print(f"membrane.predict: {error}", file=sys.stderr)
        return BAD_INPUT
    return COMPLETE


def _check_outputs(paths: list[str]) -> None:
    """Raises ValueError before anything is computed where a file is named twice, exists, or has no folder."""
    if len(set(paths)) < len(paths):
        raise ValueError(f"--csv and --json both go to {paths[0]}: give two names")
    for given in (Path(p).expanduser() for p in paths if p != "-"):
        if given.exists() or given.is_symlink():
            raise ValueError(f"{given} exists; choose another name or remove it")
        if not given.parent.is_dir():
            raise ValueError(f"{given.parent} is no folder; make it first or choose another name")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m membrane.predict",
        description="Will a domain bud, at which diameter, over which barrier, how soon.",
    )
    parser.add_argument("config", type=path, help="YAML file, see configs/")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override one dotted key")
    parser.add_argument(
        "--diameters",
        type=_list,
        default=DIAMETERS_NM,
        metavar="NM,NM,...",
        help="of the vesicles (default: 20 to 160)",
    )
    for name in WRITERS:
        parser.add_argument(
            f"--{name}", metavar="FILE", help=f"write the numbers as {name.upper()} to a new file; - : to the terminal"
        )
    return parser


def _list(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers; write it as 40,60,80") from None


if __name__ == "__main__":
    sys.exit(main())
