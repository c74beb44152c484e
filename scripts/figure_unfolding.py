"""Measured profiles of vesicles, unfolded, beside what the same vesicles are in three dimensions: docs/images.

The profiles and vesicles are those of two tomograms (tests/instruments/data, Rothman et al. 2023, CC BY). The cap angle
is fitted. The band comes from 200 histograms with Poisson counts around those that were measured.
"""

import argparse
import csv
from pathlib import Path

import jax
import numpy as np

from membrane.figures.style import save
from membrane.figures.unfolding import Unfolding, unfolding_figure
from membrane.instruments.cap_angle import fitted_section
from membrane.instruments.registry import INSTRUMENTS
from membrane.instruments.unfolding import unfold

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests/instruments/data/vesicle_profiles_rothman2023.csv"
DRAWS = 200


def panel(name: str) -> Unfolding:
    """The set ``name`` of the data, unfolded."""
    with DATA.open() as file:
        rows = [row for row in csv.DictReader(line for line in file if line[0] != "#") if row["set"] == name]
    profiles, truth = (np.array([float(row["count"]) for row in rows if row["kind"] == kind]) for kind in "GF")
    edges, diameters = np.arange(len(profiles) + 1.0), np.arange(20.25, len(profiles), 0.5)
    fit = fitted_section(profiles, edges, section_nm=0)
    kernel = INSTRUMENTS["thin_section"].matrix(edges, diameters, section_nm=0, cap_angle_deg=fit.cap_angle_deg)
    drawn = np.random.default_rng(0).poisson(profiles, size=(DRAWS, len(profiles)))
    weights = lambda counts: unfold(counts, kernel).weights
    title = f"{name}: {profiles.sum():.0f} profiles, cap angle {fit.cap_angle_deg:.0f}°"
    return Unfolding(title, edges, profiles, diameters, weights(profiles), jax.jit(jax.vmap(weights))(drawn), truth)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", metavar="STEM", default=ROOT / "docs/images/unfolding")
    jax.config.update("jax_enable_x64", True)
    for path in save(unfolding_figure([panel("ET10"), panel("ET11")]), parser.parse_args().output, dpi=200):
        print(path)
