"""The shear of the membrane between two shapes, which is what the membrane's viscosity acts on.

The membrane keeps its area. Where its parallels (circles about the axis) stretch by e, its meridians shrink by e.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from membrane.bud.exact.curve import arcs, rule_of


class MaterialArc(NamedTuple):
    """An arc as a piece of material, arrays (..., points).

    Attributes:
        radius: distance from the axis.
        area: area between the start of the arc and the point, over pi.
        cosine: cos psi.
        weight: r ds, so that sum(weight f) is the integral of f r ds.
    """

    radius: jax.Array
    area: jax.Array
    cosine: jax.Array
    weight: jax.Array

    @classmethod
    def of(cls, arc, rule) -> "MaterialArc":
        """The material of an arc with its quadrature rule."""
        area = rule.integral @ (2 * arc.r * arc.weight / rule.weight)
        return cls(arc.r, area, jnp.cos(arc.psi), arc.r * arc.weight)


def material_of(z, x, problem, closed, resolution) -> tuple[MaterialArc, MaterialArc]:
    """Domain and host of one state as material."""
    rules = rule_of(resolution.inner), rule_of(resolution.outer)
    parts = arcs(z, x, problem, closed, resolution)[:2]
    return tuple(MaterialArc.of(arc, rule) for arc, rule in zip(parts, rules, strict=True))


def shear(one: MaterialArc, two: MaterialArc, stretches: bool = False):
    """int e^2 r ds between two shapes of one arc, over the last axis.

    e is the change of ln r of a piece of material. A piece is recognised by the area before it, or with ``stretches``
    by its share of the area; then the even stretch of the whole arc is subtracted.
    """
    mean = MaterialArc(*(0.5 * (a + b) for a, b in zip(one, two, strict=True)))
    grown, growth = two.area - one.area, 0.0
    if stretches:
        growth = (jnp.log(2 * two.weight.sum(-1)) - jnp.log(2 * one.weight.sum(-1)))[..., None]
        grown = grown - growth * mean.area
    strain = (two.radius - one.radius - mean.cosine * grown / (2 * mean.radius)) / mean.radius - growth / 2
    return jnp.sum(strain**2 * mean.weight, -1)


def shear_between(one, two, closed):
    """The shear of domain and host together. A spherical host draws area from its undulations: it stretches evenly."""
    return shear(one[0], two[0]) + shear(one[1], two[1], stretches=closed)


def drags(x, material, closed):
    """Drag against dx/dt over eta_m L^2 on the way from each state to the next, (points,); nan at the last."""
    ends = lambda part: jax.tree.map(lambda v: v[part], material)
    between = shear_between(ends(slice(None, -1)), ends(slice(1, None)), closed)
    return jnp.append(8 * jnp.pi * between / jnp.diff(x) ** 2, jnp.nan)
