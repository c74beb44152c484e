"""The cap angle of a set of profiles, found from the profiles themselves."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

from membrane.instruments.thin_section import thin_section

_PER_BIN = 8
"""Diameters per bin at which the normal distribution is taken."""


class SectionFit(NamedTuple):
    """A normal distribution of diameters and the cap angle with which it was seen.

    Attributes:
        mean_nm, sd_nm: mean and standard deviation of the outer diameters in nm.
        cap_angle_deg: the cap angle phi in degrees.
    """

    mean_nm: float
    sd_nm: float
    cap_angle_deg: float


def fitted_section(counts, edges_nm, *, section_nm) -> SectionFit:
    """Mean, standard deviation and cap angle by maximum likelihood, for diameters that follow a normal distribution.

    Arguments:
        counts: profiles in each bin, (bins,).
        edges_nm: edges of the bins of the profile diameter in nm, (bins + 1,), evenly spaced.
        section_nm: thickness T of the section in nm; 0 for planes of a tomogram.

    The likelihood of c profiles is prod p_k^c_k with p = K f / sum(K f), K of
    :func:`membrane.instruments.thin_section.thin_section` and f the normal distribution. A histogram alone leaves the
    angle open where diameters may be distributed in any way; a normal distribution decides it. Rothman et al. 2023 fit
    the same three numbers, by least squares.

    Raises ValueError where the counts and edges do not belong together, fewer than 20 profiles are given, or the search
    comes to no end.
    """
    counts, edges = np.asarray(counts, float), np.asarray(edges_nm, float)
    if edges.ndim != 1 or counts.shape != (edges.size - 1,):
        raise ValueError(f"counts {counts.shape} and edges {edges.shape}: give one edge more than counts")
    if counts.sum() < 20:
        raise ValueError(f"{counts.sum():g} profiles are too few for three numbers; give 20 or more")
    spacing = (edges[1] - edges[0]) / _PER_BIN
    diameter = spacing * (0.5 + np.arange(int(1.2 * edges[-1] / spacing)))

    @jax.jit
    def surprise(unknown):
        mean, log_sd, angle = unknown
        normal = jax.nn.softmax(-(((diameter - mean) / jnp.exp(log_sd)) ** 2) / 2)
        profiles = thin_section(edges, diameter, section_nm=section_nm, cap_angle_deg=angle) @ normal
        share = profiles / profiles.sum()
        # A profile that the model excludes, a stray one, costs as much as one in e^30.
        return -jnp.sum(counts * jnp.log(share + jnp.exp(-30.0))) / counts.sum()

    middle = (edges[1:] + edges[:-1]) / 2
    mean = counts @ middle / counts.sum()
    start = [1.1 * mean, np.log(max(np.sqrt(counts @ (middle - mean) ** 2 / counts.sum()) / 2, spacing)), 40.0]
    bounds = [(spacing, diameter[-1]), (np.log(spacing), np.log(diameter[-1])), (0.0, 89.0)]
    found = minimize(surprise, start, method="Nelder-Mead", bounds=bounds, options={"xatol": 1e-3, "fatol": 1e-9})
    if not found.success:
        raise ValueError(f"no normal distribution was found that shows these profiles ({found.message})")
    return SectionFit(float(found.x[0]), float(np.exp(found.x[1])), float(found.x[2]))
