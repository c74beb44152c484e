"""The same ceramide case as a vesicle and as a sheet: what both make, side by side.

Give archives of one configuration of kind vesicle that starts mixed (a quench), with one or more seeds. The sheet gets
their lipids, ceramide, cargo, rigidities, noise of the start and duration, and the area of the vesicle. It has neither
flow nor thermal noise, because the vesicle has none. Its buds follow the exact law, and a neck narrower than --neck nm
breaks.

Where the vesicle has a tension (membrane.tension_uN_per_m, with a held volume), the sheet has the same ensemble: that
tension at rest, and the sections supply and endosome of the vesicle. Where the area of the vesicle is given and its
volume free, its tension is what it makes of it; the sheet then gets membrane in reserve, with the composition of Ld at
the start, and its tension stays at --tension.

The configuration and the archive of the sheet are written beside the first archive. If the same sheet has been run
before, its archive is read. Exit codes: 0 if all went well, 2 if the input is bad, otherwise that of the sheet's run.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import math
import sys
from pathlib import Path

import numpy as np
import yaml

from membrane.archive import ArchiveError, RunRecord, read
from membrane.builder import build
from membrane.commands import run
from membrane.config import ConfigError, VesicleConfig, parse
from membrane.outcome.intervals import median_interval

SECTIONS = ("temperature_C", "duration_s", "seed", "ceramide", "cargo")
"""Parts of the configuration that the sheet takes from the vesicle as they are."""

HYDRODYNAMICS = {
    "membrane_viscosity_nPa_s_m": 3.0,
    "cytosol_viscosity_mPa_s": 2.0,
    "lumen_viscosity_mPa_s": 1.0,
    "in_plane_flow": False,
}
"""Of the sheet. The viscosities decide how fast barriers are crossed; they are those of configs/ceramide.yaml."""


def sheet_of(config: VesicleConfig, endosomes: int, neck_nm: float, tension_uN_per_m: float) -> dict:
    """The configuration of the sheet, as it is written to YAML.

    Args:
        config: of the vesicle.
        endosomes: number of endosomes of the sheet.
        neck_nm: radius in nm below which a neck breaks.
        tension_uN_per_m: tension of the sheet in uN/m, where the vesicle has none.

    Raises ValueError if no sheet can stand for the vesicle (`check_comparable`).
    """
    check_comparable(config)
    given = config.model_dump(mode="json", exclude_none=True)
    membrane, spacing = config.membrane, config.geometry.spacing_nm
    side = round(math.sqrt(math.pi) * config.geometry.shape.diameter_nm, 3)
    ms = 1e3 * config.duration_s
    held = membrane.tension_uN_per_m
    # Without an end the reserve is as large as the endosome, more than all Lo can take away.
    supply = given.get("supply", {"reserve_fraction": 1.0}) | {"fusion_rate_per_s": 0.0, "fusion_diameter_nm": 60.0}
    return {name: given[name] for name in SECTIONS if name in given} | {
        "name": f"{config.name}_sheet",
        "endosomes": endosomes,
        "geometry": {"box_nm": [side, side], "spacing_nm": spacing},
        "lipids": given["lipids"] | {"mean_order": config.composition.quench.mean_order},
        "membrane": {
            "bending_rigidity_ld_kBT": membrane.bending_rigidity_ld_kBT,
            "bending_rigidity_lo_kBT": membrane.bending_rigidity_lo_kBT,
            "gaussian_modulus_contrast_kBT": membrane.gaussian_modulus_contrast_kBT,
            "tension_uN_per_m": tension_uN_per_m if held is None else held,
            "spontaneous_curvature_other_per_nm": membrane.spontaneous_curvature_ld_per_nm,
        },
        "hydrodynamics": HYDRODYNAMICS,
        "budding": {"neck_radius_nm": neck_nm, "shell_density_g_per_ml": 1.16, "lumen_density_g_per_ml": 1.06},
        "endosome": given["endosome"],
        "supply": supply,
        "numerics": {"thermal_noise": False, "initial_noise": config.composition.quench.noise},
        "output": {
            "series_interval_ms": ms / 60,
            "frame_interval_ms": ms / 5,
            "checkpoint_interval_ms": ms / 5,
        },
    }


def check_comparable(config: VesicleConfig) -> None:
    """Raises ValueError if the vesicle has what a sheet cannot have.

    That is a start from a cap or a slab, a held volume without a tension, or phases whose own spontaneous curvatures
    differ.
    """
    membrane = config.membrane
    if config.composition.quench is None:
        raise ValueError("a sheet starts mixed: give a run with composition.quench")
    if config.geometry.shape.kind == "slab":
        raise ValueError("a slab is not closed: give a run whose geometry.shape is a sphere or a spheroid")
    if membrane.osmosis is not None and membrane.tension_uN_per_m is None:
        raise ValueError("membrane.osmosis holds the volume of a membrane whose area is given: no sheet stands for it")
    if membrane.spontaneous_curvature_ld_per_nm != membrane.spontaneous_curvature_lo_per_nm:
        raise ValueError(
            f"on a sheet both phases have the same spontaneous curvature, but membrane.spontaneous_curvature is "
            f"{membrane.spontaneous_curvature_ld_per_nm:g} in Ld and {membrane.spontaneous_curvature_lo_per_nm:g} in Lo"
        )


def has_been_run(output: Path, config) -> bool:
    """Whether ``output`` is an archive of exactly this configuration."""
    try:
        return output.is_file() and read(output).attributes["config_yaml"] == config.to_yaml()
    except ArchiveError:
        return False


def rows(records: list[RunRecord]) -> dict[str, str]:
    """The results of the vesicle or of the sheet as text; ``records`` holds one archive a seed."""
    ilvs = [r.ilvs for r in records]
    endosomes = sum(r.config["endosomes"] for r in records)
    every = np.concatenate(ilvs)
    found = {"endosomes": f"{endosomes}", "ILVs": f"{len(every)}", "ILVs an endosome": f"{len(every) / endosomes:.1f}"}
    if not len(every):
        return found
    size = every["diameter_nm"]
    # The endosomes of all archives are numbered in one row.
    offset = np.cumsum([0, *(r.config["endosomes"] for r in records)])
    owner = np.concatenate([i["endosome"] + k for i, k in zip(ilvs, offset)])
    low, high = median_interval(size, owner, endosomes)
    mean = lambda name, form: format(float(np.nanmean(every[name])), form)
    return found | {
        "median diameter (nm)": f"{np.median(size):.1f}" + (f" ({low:.1f}-{high:.1f})" if low < high else ""),
        "diameters (nm)": ", ".join(f"{d:.0f}" for d in np.sort(size)[:12]) + (", ..." if len(size) > 12 else ""),
        "first, median time (ms)": f"{1e3 * every['time_s'].min():.1f}, {1e3 * np.median(every['time_s']):.1f}",
        "c0 (1/nm)": mean("spontaneous_curvature_per_nm", ".3f"),
        "Lo share": mean("lo_fraction", ".2f"),
        "ceramide, cytosolic": mean("ceramide_cytosolic_fraction", ".2f"),
        "tension (uN/m)": mean("tension_uN_per_m", ".0f"),
    }


def table(vesicle: dict[str, str], sheet: dict[str, str]) -> str:
    """Both as a table of text, with one row for each quantity."""
    lines = [("", "vesicle", "sheet")]
    lines += [(name, vesicle.get(name, "-"), sheet.get(name, "-")) for name in vesicle | sheet]
    widths = [max(len(line[i]) for line in lines) for i in range(3)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths)).rstrip() for line in lines)


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", metavar="ARCHIVE", type=Path, nargs="+", help="of a vesicle; several seeds")
    parser.add_argument("--endosomes", metavar="N", type=int, default=10, help="of the sheet (default 10)")
    parser.add_argument("--neck", metavar="NM", type=float, default=5.0, help="at which it breaks (default 5)")
    parser.add_argument("--tension", metavar="UN_PER_M", type=float, default=1.0, help="of the sheet (default 1)")
    options = parser.parse_args(arguments)
    try:
        records = [read(path) for path in options.archive]
        config = parse(yaml.safe_dump(records[0].config))
        if not isinstance(config, VesicleConfig):
            raise ConfigError(f"{options.archive[0]}: kind {config.kind}; give archives of kind vesicle")
        given = sheet_of(config, options.endosomes, options.neck, options.tension)
        wall = build(parse(yaml.safe_dump(given))).wall
        for name in ("ceramide_cytosolic", "ceramide_luminal"):
            if name in wall.ld and config.membrane.tension_uN_per_m is None:
                given["supply"][f"{name}_fraction"] = float(wall.ld[name])
    except (ArchiveError, ConfigError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    path = options.archive[0].with_name(f"{given['name']}.yaml")
    output = path.with_suffix(".h5")
    if not has_been_run(output, parse(yaml.safe_dump(given))):
        path.write_text(yaml.safe_dump(given, sort_keys=False))
        if code := run.main([str(path), "--output", str(output), "--overwrite", "--quiet"]):
            return code
    print(f"line tension of the mixture {wall.line_tension:.2f} pN, bare {config.lipids.line_tension_pN:g} pN")
    for name in wall.lo:
        print(f"{name} at the start, flat and unmixed: Lo {wall.lo[name]:.3g}, Ld {wall.ld[name]:.3g}")
    print(table(rows(records), rows([read(output)])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
