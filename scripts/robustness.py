"""What the outcome of a run owes to its numerics: a run for each number that is changed, and a table of the shifts.

    python scripts/robustness.py configs/ceramide.yaml --endosomes 6 --duration_s 0.012 --output robustness.md

Each row runs CONFIG with one --set. Its archive is kept in a folder; a row that is there is not run again, and one that
was interrupted goes on. A shift is the difference to the base over the standard errors of both. They come from the
intervals of membrane.outcome.intervals, over endosomes; that of a time holds the rounding to looks, too. Shifts beyond
two are bold. ILVs are counted per area of the base. A row that CONFIG does not allow is left out, and the table says
why. Exit codes: 0 if all went well, 2 if the input is bad, else that of the run that failed.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from membrane.archive import ArchiveError, RunRecord, read
from membrane.config import Config, ConfigError, changed, load
from membrane.outcome.intervals import LEAST_ENDOSOMES, LEVEL, mean_interval, median_interval


class Row(NamedTuple):
    """One number of a configuration, and what becomes of it; ``physics``: it is an assumption and not numerics."""

    key: str
    change: Callable[[Any], Any]
    physics: bool = False


def times(factor: float):
    """Multiplies a number, or each of several; six digits."""
    one = lambda value: float(f"{factor * value:.6g}")
    return lambda value: [one(v) for v in value] if isinstance(value, (tuple, list)) else one(value)


ROWS = {
    "spacing-finer": Row("geometry.spacing_nm", times(0.8)),
    "spacing-coarser": Row("geometry.spacing_nm", times(1.25)),
    "box-smaller": Row("geometry.box_nm", times(0.75)),
    "box-larger": Row("geometry.box_nm", times(1.25)),
    "width-narrower": Row("lipids.interface_width_nm", times(0.8)),
    "width-wider": Row("lipids.interface_width_nm", times(1.25)),
    "look-shorter": Row("budding.look_interval_ms", times(0.5)),
    "look-longer": Row("budding.look_interval_ms", times(2.0)),
    "circularity-lower": Row("budding.circularity", times(0.9)),
    "circularity-higher": Row("budding.circularity", times(1.06)),
    "courant-half": Row("numerics.max_courant", times(0.5)),
    "courant-double": Row("numerics.max_courant", times(2.0)),
    "step-shorter": Row("numerics.max_step_us", times(0.125)),
    "agitation-shorter": Row("hydrodynamics.agitation_interval_us", times(0.5)),
    "agitation-longer": Row("hydrodynamics.agitation_interval_us", times(2.0)),
    "precision": Row("numerics.precision", lambda _: "float64"),
    "seed": Row("seed", lambda seed: seed + 1000),
    "gaussian-less": Row("membrane.gaussian_modulus_contrast_kBT", lambda g: g - 20.0, physics=True),
    "gaussian-more": Row("membrane.gaussian_modulus_contrast_kBT", lambda g: g + 20.0, physics=True),
}


class LeftOut(ValueError):
    """A row that a configuration does not allow; its text says why."""


def changed_value(config: Config, row: Row):
    """What the key of a row is set to. Raises LeftOut where the configuration has no such number, or not this value."""
    value = config
    for part in row.key.split("."):
        value = getattr(value, part, None)
    if value is None:
        raise LeftOut("the configuration has no such number")
    new = row.change(value)
    if new == value:
        raise LeftOut(f"it is {new} already")
    try:
        changed(config, {row.key: new}, row.key)
    except ConfigError as error:
        raise LeftOut(" ".join(str(error).split())) from error
    return new


def run(config_path: Path, settings: dict, archive: Path) -> int:
    """Run a configuration with ``settings``, or go on with it, unless it is whole already; returns the exit code."""
    sets = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    options = ["--output", str(archive), "--resume", "--no-picture", "--quiet"]
    return subprocess.run([sys.executable, "-m", "membrane", "run", str(config_path), *sets, *options]).returncode


class Measure(NamedTuple):
    """A number, its interval and its standard error; NaN where there are too few ILVs or endosomes."""

    value: float
    low: float
    high: float
    error: float


def measures(record: RunRecord, base_area: float) -> dict[str, Measure]:
    """Median diameter (nm), ILVs an endosome of the area ``base_area`` (nm2), and median time of leaving (ms)."""
    endosomes, owner = int(record.attributes["number_of_endosomes"]), record.ilvs["endosome"]
    share = base_area / np.prod(record.config["geometry"]["box_nm"])
    number = share * np.bincount(owner, minlength=endosomes)

    def of(value, interval):
        t = stdtrit(endosomes - 1, (1 + LEVEL) / 2) if endosomes >= LEAST_ENDOSOMES else np.nan
        return Measure(float(value), *interval, float((interval[1] - interval[0]) / (2 * t)))

    def median(values):
        known = values[~np.isnan(values)]
        return of(np.median(known) if known.size else np.nan, median_interval(values, owner, endosomes))

    time = median(1e3 * record.ilvs["time_s"].astype(float))
    # ILVs leave at looks: a time is known to one of them.
    rounding = record.config["budding"]["look_interval_ms"] / np.sqrt(12)
    return {
        "median diameter (nm)": median(record.ilvs["diameter_nm"].astype(float)),
        "ILVs an endosome": of(number.mean(), mean_interval(number)),
        "median time (ms)": time._replace(error=float(np.hypot(time.error, rounding))),
    }


def shift(here: Measure, base: Measure) -> float:
    """How far two numbers lie apart, in standard errors of their difference."""
    both = np.hypot(here.error, base.error)
    return (here.value - base.value) / both if both > 0 else np.nan


def cells(found: dict[str, Measure], base: dict[str, Measure] | None) -> list[str]:
    """The cells of a row of the table: of each measure its value with its interval, and its shift from the base."""
    texts = []
    for name, here in found.items():
        interval = f" ({here.low:.1f}-{here.high:.1f})" if np.isfinite(here.low) else ""
        texts.append(f"{here.value:.1f}{interval}")
        away = shift(here, base[name]) if base else np.nan
        text = f"{away:+.1f}" if np.isfinite(away) else "-"
        texts.append(f"**{text}**" if abs(away) > 2 else text)
    return texts


def table(records: dict[str, RunRecord], settings: dict[str, str], left_out: dict[str, str]) -> str:
    """The table in Markdown: the base, one line a row, and why others are left out. ``records`` holds "base"."""
    base = records["base"]
    base_area = float(np.prod(base.config["geometry"]["box_nm"]))
    found = {name: measures(record, base_area) for name, record in records.items()}
    header = ["row", "set to", *(word for name in found["base"] for word in (name, "shift"))]
    lines = [header, ["---"] * len(header), ["base", "", *cells(found["base"], None)]]
    for name in records:
        if name != "base":
            label = f"{name} (physics)" if ROWS[name].physics else name
            lines.append([label, f"`{settings[name]}`", *cells(found[name], found["base"])])
    said = (
        f"{base.attributes['name']}, {base.attributes['number_of_endosomes']} endosomes, "
        f"{1e3 * base.config['duration_s']:g} ms; in brackets 95 %; shifts in standard errors of both."
    )
    without = [f"- {name} is left out: {why}" for name, why in left_out.items()]
    return "\n".join(
        [said, "", *("| " + " | ".join(line) + " |" for line in lines), *([""] if without else []), *without]
    )


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", metavar="CONFIG", type=Path, help="configuration of a sheet")
    parser.add_argument("--endosomes", type=int, default=20, help="endosomes of each row (20)")
    parser.add_argument("--duration_s", type=float, help="simulated time (that of CONFIG)")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--folder", type=Path, help="for the archives (runs/robustness/NAME)")
    parser.add_argument("--output", type=Path, help="file for the table (it is printed in any case)")
    options = parser.parse_args(arguments)
    shared = {"endosomes": options.endosomes}
    if options.duration_s is not None:
        shared["duration_s"] = options.duration_s
    try:
        config = load(options.config, [f"{key}={value}" for key, value in shared.items()])
        if config.kind != "sheet":
            raise ConfigError(f"{options.config} is of kind {config.kind}; give a configuration of kind sheet")
        folder = options.folder or Path("runs/robustness") / config.name
        folder.mkdir(parents=True, exist_ok=True)
        values, left_out = {}, {}
        for name in options.rows:
            try:
                values[name] = changed_value(config, ROWS[name])
            except LeftOut as why:
                left_out[name] = str(why)
        settings = {"base": {}} | {name: {ROWS[name].key: value} for name, value in values.items()}
        records = {}
        for name, setting in settings.items():
            archive = folder / f"{name}.h5"
            if code := run(options.config, shared | setting, archive):
                return code
            records[name] = read(archive)
            text = table(records, {n: f"{ROWS[n].key}={v}" for n, v in values.items()}, left_out)
            if options.output:
                options.output.write_text(text + "\n", encoding="utf-8")
    except (ArchiveError, ConfigError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
