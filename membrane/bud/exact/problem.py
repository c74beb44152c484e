"""One domain in its host as seven numbers: lengths in units of L (the domain has the area pi L^2), energies in units of
kappa_in."""

from dataclasses import dataclass, fields

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One domain in its host, dimensionless; or many, as arrays of one shape. It is a pytree of jax.

    Attributes:
        spontaneous_curvature: c = c0_in L.
        host_spontaneous_curvature: c_out = c0_out L.
        tension: s = sigma L^2/kappa_in.
        rigidity_ratio: k = kappa_out/kappa_in.
        gaussian_contrast: g = (kappa_G,in - kappa_G,out)/kappa_in.
        host_curvature: h = -L/R_v for buds into the lumen of a host of radius R_v, +L/R_v for buds away from it, 0 for
            a flat host.
        volume_kept: 1 where a spherical host keeps the volume of its lumen and draws area at s, as an endosome with a
            reserve of membrane does; 0 where it keeps its area and its volume is free, so that no pressure acts on it
            and s has no meaning. A flat host takes no notice.
    """

    spontaneous_curvature: ArrayLike
    host_spontaneous_curvature: ArrayLike
    tension: ArrayLike
    rigidity_ratio: ArrayLike
    gaussian_contrast: ArrayLike
    host_curvature: ArrayLike
    volume_kept: ArrayLike = 1.0

    def values(self) -> tuple:
        """The seven numbers in the order of the attributes."""
        return tuple(getattr(self, field.name) for field in fields(self))

    @classmethod
    def of(cls, values) -> "Problem":
        """The inverse of :meth:`values`; of six numbers where the volume is kept."""
        values = list(values)
        values += [0 * values[0] + 1.0] * (len(values) == 6)
        return cls(**{field.name: value for field, value in zip(fields(cls), values, strict=True)})


def _restored(_, values) -> Problem:
    # jax fills trees with placeholders that are no numbers; the constructor, whose types tests check, is not called.
    problem = object.__new__(Problem)
    for field, value in zip(fields(Problem), values, strict=True):
        object.__setattr__(problem, field.name, value)
    return problem


jax.tree_util.register_pytree_node(Problem, lambda problem: (problem.values(), None), _restored)


def problem_of(
    *,
    area: ArrayLike,
    bending_rigidity: ArrayLike,
    host_bending_rigidity: ArrayLike,
    spontaneous_curvature: ArrayLike = 0.0,
    host_spontaneous_curvature: ArrayLike = 0.0,
    gaussian_modulus_contrast: ArrayLike = 0.0,
    line_tension: ArrayLike = 0.0,
    tension: ArrayLike = 0.0,
    host_radius: ArrayLike = jnp.inf,
    direction: ArrayLike = 1,
    volume_kept: ArrayLike = 1.0,
) -> tuple[Problem, jax.Array, jax.Array]:
    """From quantities with units to the dimensionless problem.

    Arguments:
        area: area of the domain, nm^2.
        bending_rigidity: of the domain, pN nm.
        host_bending_rigidity: of the host, pN nm.
        spontaneous_curvature: the 2H that the domain prefers, 1/nm.
        host_spontaneous_curvature: the 2H that the host prefers, 1/nm.
        gaussian_modulus_contrast: kappa_G,in - kappa_G,out, pN nm; by Gauss and Bonnet only the contrast has an effect.
        line_tension: pN.
        tension: pN/nm.
        host_radius: nm; inf for a flat host.
        direction: 1 for a bud into the lumen, -1 for one away from it.
        volume_kept: 1 where a spherical host keeps its volume and draws area at ``tension``; 0 where it keeps its area.

    Returns (problem, l = lambda L/kappa_in, L in nm).

    Raises:
        ValueError: a value is out of range: an area, rigidity or radius that is not positive, a negative line tension,
            a negative tension of a flat host, or a domain larger than its host. Values that jax traces are not checked.
    """
    size = jnp.sqrt(area / jnp.pi)
    # Comparisons with nan are false, so that nan is refused as well.
    _require("area", area, lambda v: v > 0, "positive, in nm^2")
    _require("bending_rigidity", bending_rigidity, lambda v: v > 0, "positive, in pN nm")
    _require("host_bending_rigidity", host_bending_rigidity, lambda v: v > 0, "positive, in pN nm")
    _require("line_tension", line_tension, lambda v: v >= 0, "at least 0, in pN")
    _require("host_radius", host_radius, lambda v: v > 0, "positive, in nm, or inf for a flat host")
    _require("direction", direction, lambda v: abs(v) == 1, "1 (into the lumen) or -1 (away from it)")
    _require(
        "volume_kept", volume_kept, lambda v: (v == 0) | (v == 1), "1 (the volume is kept) or 0 (the area is kept)"
    )
    _require("L/host_radius", size / host_radius, lambda v: v < 2, "below 2: a domain must be smaller than its host")
    flat_host = jnp.where(jnp.isinf(host_radius), tension, 0.0)
    _require("tension", flat_host, lambda v: v >= 0, "at least 0 in a flat host, in pN/nm")
    values = (
        direction * spontaneous_curvature * size,
        direction * host_spontaneous_curvature * size,
        tension * size**2 / bending_rigidity,
        host_bending_rigidity / bending_rigidity,
        gaussian_modulus_contrast / bending_rigidity,
        -direction * size / host_radius,
        volume_kept,
    )
    values = jnp.broadcast_arrays(*(jnp.asarray(v, float) for v in values))
    return Problem.of(values), line_tension * size / bending_rigidity, size


def _require(name, value, holds, allowed):
    if isinstance(value, jax.core.Tracer):
        return
    if not np.all(holds(np.asarray(value, float))):
        raise ValueError(f"{name} is {value}; it must be {allowed}")
