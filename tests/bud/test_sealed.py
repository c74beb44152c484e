"""Sealed vesicles of two phases: exact energies of one material, and the same vesicle seen from either phase."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from membrane.bud import exact as bud
from membrane.bud.exact.curve import arcs

pytestmark = pytest.mark.fast_compilation

RESOLUTION = bud.Resolution(inner=28, outer=40)

PROLATE = {0.85: 1.285676, 0.80: 1.387440, 0.75: 1.501834, 0.70: 1.643270}
"""Bending energy over 8 pi kappa at reduced volumes (an independent spectral solution, converged to 1e-6; the
diagram is that of Seifert, Berndl & Lipowsky 1991, Phys. Rev. A 44:1182)."""


def sealed(share, volume, rigidity, contrast, tension, near=None, resolution=RESOLUTION):
    """The state of a domain of ``share`` of the area, lambda R/kappa_in = ``tension``."""
    problem, line, host = bud.vesicle_of(
        domain_share=share,
        reduced_volume=volume,
        rigidity_ratio=rigidity,
        gaussian_contrast=contrast,
        line_tension=tension,
    )
    return bud.sealed_at(problem, line, host, near=near, resolution=resolution)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.44, 0.3])
def test_one_material_is_a_prolate(share):
    """Without line tension and contrast, any share: E at four reduced volumes to 2e-6, and its tension is none of the
    rim's."""
    start = sealed(share, 0.76, 1.0, 0.0, 2.0)
    for volume, energy in PROLATE.items():
        state = sealed(share, volume, 1.0, 0.0, 0.0, start)
        assert float(state.energy) / (8 * np.pi) == pytest.approx(energy, abs=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("contrast", [0.0, 3.6])
def test_either_phase_may_be_the_domain(contrast):
    """The dumbbell with 56 % Ld, kappa 1 and 5, from Ld and from Lo: energy less 4 pi times the contrast (Gauss-Bonnet)
    to 1e-4, neck to 1e-3 R, its distance from the rim of opposite sign."""
    ld = sealed(0.56, 0.76, 5.0, contrast, 12.0, sealed(0.18, 0.84, 5.0, contrast, 12.0))
    lo = sealed(0.44, 0.76, 0.2, -contrast / 5, 12.0 / 5)
    assert 5 * float(lo.energy) + 4 * np.pi * contrast == pytest.approx(float(ld.energy), rel=1e-4)
    one, two = bud.waist(ld, RESOLUTION), bud.waist(lo, RESOLUTION)
    assert one.radius / float(ld.radius) == pytest.approx(two.radius / float(lo.radius), abs=1e-3)
    assert one.offset / float(ld.radius) == pytest.approx(-two.offset / float(lo.radius), abs=1e-3)
    # On the Ld side with the contrast, near the rim without.
    assert -one.offset / float(ld.radius) == pytest.approx({0.0: -0.038, 3.6: 0.134}[contrast], abs=2e-3)


@pytest.mark.slow
def test_a_bud_into_the_lumen():
    """A tenth of the area at reduced volume 0.66, c0 R = 0.9 into the lumen: it bulges in, beyond a right angle,
    behind a neck; dE/dlambda is the length of its rim (1e-3)."""

    def bulged(tension, near=None):
        problem, line, host = bud.vesicle_of(
            domain_share=0.1, reduced_volume=0.66, rigidity_ratio=1.0, gaussian_contrast=0.0, line_tension=tension
        )
        given = {"spontaneous_curvature": 1.8 * 0.1**0.5, "host_curvature": -problem.host_curvature, "tension": -1.0}
        problem = replace(problem, **{name: jnp.asarray(value) for name, value in given.items()})
        return bud.sealed_at(problem, line, host, near=near, resolution=RESOLUTION)

    middle = bulged(3.5)
    ends = [float(bulged(tension, middle).energy) for tension in (3.25, 3.75)]
    rim = 1 / float(np.cosh(middle.x)) / float(middle.radius)
    assert (ends[1] - ends[0]) / 0.5 == pytest.approx(2 * np.pi * rim, rel=1e-3)
    assert float(middle.contact_angle(RESOLUTION)) > 1.8
    assert bud.waist(middle, RESOLUTION).radius / float(middle.radius) < 0.95 * rim


@pytest.mark.parametrize(
    "values", [(1.0, 0.0, 1.0, 0.0, -0.4), (2.7, 0.0, 1.0, -0.3, -0.4), (2.0, 0.3, 0.5, 0.2, -0.5)]
)
def test_a_host_that_keeps_its_area_is_sealed_without_pressure(values):
    """A state of the path of a host that keeps its area, at the volume that it has: sealed, it is the same state. Its
    pressure is zero, its tension the multiplier of the area; (c, c_out, k, g, h), on both sides of a right angle."""
    c, c_out, k, g, h = (jnp.asarray(v) for v in values)
    resolution = bud.Resolution()
    at = bud.Problem.of([c, c_out, 0.0 * c, k, g, h, 0.0 * c])
    path = bud.trace(at, closed=True, resolution=resolution)
    for x in (0.75, 1.55):
        (i,) = np.flatnonzero(np.isclose(path.x, x))
        state, held = path.state[i], bud.line_tension_at(path)[i]
        domain, host, *_ = arcs(state, path.x[i], at, True, resolution)
        volume = sum(float(jnp.sum(0.75 * arc.r**2 * jnp.sin(arc.psi) * arc.weight)) for arc in (domain, host))
        tension = state[-1] / jnp.pi
        there = replace(at, tension=tension, host_curvature=-(abs(volume) ** (-1 / 3)) + 0 * c, volume_kept=1 + 0 * c)
        area = 4 / h**2 - 1
        # The search begins beside the state, at a pressure of 0.02.
        near = bud.Sealed(there, path.x[i], state.at[-1].set(0.02), held, area, path.energy[i])
        found = bud.sealed_at(there, held, area, near=near, resolution=resolution)
        energy = found.energy - 2 * jnp.pi * held / jnp.cosh(found.x)
        assert float(energy) == pytest.approx(float(path.energy[i]), abs=1e-5)
        assert float(found.x) == pytest.approx(x, abs=1e-5)
        # On a path the shape is solved to 3e-4, and the multipliers of stiff constraints to a few times that.
        assert float(found.state[-1]) == pytest.approx(0.0, abs=5e-3)
        assert float(found.problem.tension) == pytest.approx(float(tension), abs=5e-3)


def test_what_is_out_of_reach_is_told(monkeypatch):
    """A volume that two spheres of these areas already exceed, from a state that is reached."""
    monkeypatch.setattr("membrane.bud.exact.sealed.LEAST_SHARE", 0.05)
    coarse = bud.Resolution()
    start = sealed(0.44, 0.76, 0.2, -0.72, 2.4, resolution=coarse)
    with pytest.raises(ValueError, match="start from a state nearer to it"):
        sealed(0.44, 0.65, 0.2, -0.72, 2.4, start, coarse)
