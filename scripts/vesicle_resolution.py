"""How the first ILV of a run of kind vesicle depends on the interface width.

The run is repeated up to its first ILV. Each time both interface widths and the spacing are multiplied by one of the
factors.

Columns of the table:
  factor             by which widths and spacing are multiplied
  eps, spacing       interface width of the membrane and spacing of the lattice, in nm
  points             of the lattice
  D area, D vol, Lo  diameter of the ILV from its area and from its volume, in nm; its share of Lo
  time us, steps     time of the lipids and steps of the shape until it left
  neck               radius of its neck in nm when it was last seen open
  s                  seconds of computing

Below are the change between the two finest runs, and the diameter extrapolated linearly to eps = 0. The shape has no
clock of its own: the time counts rounds, and depends on the steps that eps and spacing allow. Exit codes: 0 if all has
been answered, 2 if the input is bad.
"""

import os

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import math
import sys
import time
from pathlib import Path

import jax

from membrane.builder import build
from membrane.config import ConfigError, VesicleConfig, changed, load
from membrane.outcome.table import is_ilv

HEADER = "factor    eps  spacing         points   D area    D vol   Lo    time us  steps  neck   s"
ROW = "{:6.3g} {:6.3g} {:8.3g} {:>14} {:8.2f} {:8.2f} {:4.0%} {:10.4g} {:6d} {:5.1f} {:3.0f}"


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", metavar="CONFIG", type=Path, help="YAML file of kind vesicle")
    parser.add_argument("--factors", metavar="F", type=float, nargs="+", default=[1.0, 0.9, 0.8])
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override one dotted key")
    options = parser.parse_args(arguments)
    try:
        config = load(options.config, options.set)
        if not isinstance(config, VesicleConfig):
            raise ConfigError(f"{options.config}: kind {config.kind} has no membrane of finite width; give a vesicle")
        factors = sorted(set(options.factors), reverse=True)
        scaled = [changed(config, widths(config, factor), f"{options.config}, factor {factor:g}") for factor in factors]
        jax.config.update("jax_enable_x64", config.numerics.precision == "float64")
        physics = [build(c) for c in scaled]
    except (ConfigError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(HEADER, flush=True)
    found = []
    for factor, one in zip(factors, physics, strict=True):
        begun = time.perf_counter()
        event, steps = first_ilv(one)
        eps, spacing = one.membrane.interface_width, max(one.grid.spacing)
        if event is None:
            duration_us = one.schedule.duration_ticks * one.schedule.tick_s * 1e6
            print(f"{factor:6.3g} {eps:6.3g} {spacing:8.3g}  no ILV within {duration_us:g} us")
            continue
        size = [float(event[name]) for name in ("diameter_nm", "diameter_from_volume_nm", "lo_fraction")]
        seconds, at = time.perf_counter() - begun, float(event["time_s"]) * 1e6
        points = "x".join(str(n) for n in one.grid.shape[::-1])
        print(ROW.format(factor, eps, spacing, points, *size, at, steps, event["neck_radius_nm"], seconds), flush=True)
        found.append((eps, size[0], at))
    if len(found) > 1:
        (wide, coarse, early), (fine, finest, late) = found[-2:]
        print(f"from eps {wide:g} to {fine:g} nm: diameter {finest / coarse - 1:+.1%}, time {late / early - 1:+.0%}")
        print(f"diameter at eps = 0: {finest - fine * (coarse - finest) / (wide - fine):.4g} nm")
    return 0


def widths(config: VesicleConfig, factor: float) -> dict[str, float]:
    """The keys of all interface widths with their values times ``factor``, and the spacing.

    Each side of the box has a largest spacing that divides it and is not above the wanted one; the smallest is taken.
    """
    wanted = factor * config.geometry.spacing_nm
    spacing = min(side / math.ceil(side / wanted - 1e-9) for side in config.geometry.box_nm)
    found = {
        "membrane.interface_width_nm": config.membrane.interface_width_nm,
        "lipids.interface_width_nm": config.lipids.interface_width_nm,
    }
    if config.numerics.smoothing_length_nm is not None:
        found["numerics.smoothing_length_nm"] = config.numerics.smoothing_length_nm
    return {key: round(factor * value, 9) for key, value in found.items()} | {"geometry.spacing_nm": spacing}


def first_ilv(physics):
    """The row of the first ILV of endosome 0, or None if there is none, and the steps of the shape until then."""
    replica = physics.endosome(0)
    while replica.tick < physics.schedule.duration_ticks:
        replica.advance(replica.tick + physics.schedule.look_ticks, lambda: False)
        for event in replica.events:
            if is_ilv(event):
                return event, replica.steps
    return None, replica.steps


if __name__ == "__main__":
    sys.exit(main())
