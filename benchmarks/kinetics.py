"""How fast kinetics is: endosome-hours a core-second, with the programs compiled and the table of the law built before.

    python benchmarks/kinetics.py [--config life] [--hours 1] [--endosomes 4] [--set key=value ...]

Prints CPU seconds of the process, the steps of the host, vesicles and how often the exact law was asked.
"""

import argparse
import time

import numpy as np

from membrane.config import load
from membrane.config.shipped import config_file
from membrane.program.backend import set_up_environment, set_up_jax


def main() -> None:
    """Run the endosomes one after the other, on one thread."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="life")
    parser.add_argument("--hours", type=float, default=1.0, help="of simulated time")
    parser.add_argument("--endosomes", type=int, default=4)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    set_up_environment()
    set_up_jax(float64=True)
    from membrane.builder import build

    settings = [*arguments.set, f"duration_s={3600 * arguments.hours}"]
    physics = build(load(config_file(arguments.config), settings))
    physics.compile_all()
    physics.endosome(0).advance(physics.schedule.boundary_ticks * 100, lambda: False)
    begun, vesicles, exact = time.process_time(), [], 0
    for index in range(arguments.endosomes):
        endosome = physics.endosome(index)
        endosome.advance(physics.schedule.last_boundary, lambda: False)
        vesicles.append([row["diameter_nm"] for row in endosome.events])
        exact += endosome.exact_answers
    spent, diameters = time.process_time() - begun, np.concatenate(vesicles)
    hours = arguments.endosomes * arguments.hours
    print(f"{arguments.endosomes} endosomes, {arguments.hours:g} h each: {spent:.3g} CPU s")
    print(f"{hours / spent:.3g} endosome-hours a core-second; the exact law was asked for {exact} domains")
    print(f"ILVs an endosome and hour: {len(diameters) / hours:.3g}")
    if len(diameters):
        print(f"median {np.median(diameters):.1f} nm, standard deviation {diameters.std():.1f} nm")


if __name__ == "__main__":
    main()
