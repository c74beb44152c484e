"""The random flow of a spherical membrane, which carries all domains on it at once.

The membrane is a film of viscosity eta_m on a sphere of radius R between two solvents. Its thermal flow is the curl of
a stream function. Mode l of that function has the variance rate

    s_l = kT / {l(l+1) [eta_m (l-1)(l+2)/R^2 + (eta_lum (l-1) + eta_cyt (l+2))/R]},    w_l = s_l (2l+1)/(4 pi R^2).

A domain is a cap of angle alpha = a/R and moves with the mean flow over itself, to which mode l contributes the share

    f_l = [P_(l-1)(cos alpha) - P_(l+1)(cos alpha)] / [(2l+1)(1 - cos alpha)].

Two domains at the unit vectors n and m, with c = n.m and q = n x m, then have displacements of the covariance

    <u_i u_j> = 2 dt sum_l w_l f_li f_lj [P_l'(c) (c 1 - m n^T) - P_l''(c) q q^T].

Along the great circle through both it is P_l'(c), across it c P_l'(c) - (1 - c^2) P_l''(c). Of one domain it is
l(l+1)/2 on the tangent plane. Mode 1 is a rotation of the whole sphere.
"""

from dataclasses import KW_ONLY

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

MODES = 128
"""Modes l = 1 ... MODES. What lies beyond adds less than 1 % to the diffusion of a cap of more than 0.03 rad."""

ANGLES = 2048
"""Intervals of the tables over the angle from 0 to pi."""


class Flow(eqx.Module):
    """The random flow of a membrane on a sphere.

    Attributes:
        radius: R, in nm.
        strength: w_l, in nm^2/s, (modes,).
        shares: f_l of caps of evenly spaced angles from 0 to pi, (angles, modes).
        slopes: P_l' and P_l'' at evenly spaced angles from 0 to pi, (angles, 2, modes).
    """

    _: KW_ONLY
    radius: float
    strength: Float[Array, " modes"]
    shares: Float[Array, "angles modes"]
    slopes: Float[Array, "angles 2 modes"]

    @classmethod
    def of(
        cls,
        *,
        radius: float,
        membrane_viscosity: float,
        cytosol_viscosity: float,
        lumen_viscosity: float,
        thermal_energy: float,
        modes: int = MODES,
    ) -> "Flow":
        """The flow of a membrane.

        Arguments:
            radius: R, in nm.
            membrane_viscosity: eta_m, in pN s/nm.
            cytosol_viscosity: eta_cyt, outside, in pN s/nm^2.
            lumen_viscosity: eta_lum, inside, in pN s/nm^2.
            thermal_energy: kT, in pN nm.
            modes: how many modes are kept.

        >>> flow = Flow.of(
        ...     radius=216.6,
        ...     membrane_viscosity=3e-6,
        ...     cytosol_viscosity=2e-9,
        ...     lumen_viscosity=1e-9,
        ...     thermal_energy=4.2821,
        ... )
        >>> round(float(flow.diffusion(flow.cap_shares(30.0))) / 1e6, 3)  # um^2/s
        0.598
        """
        order = np.arange(1, modes + 1)
        film = membrane_viscosity * (order - 1) * (order + 2) / radius**2
        solvents = (lumen_viscosity * (order - 1) + cytosol_viscosity * (order + 2)) / radius
        variance = thermal_energy / (order * (order + 1) * (film + solvents))
        angle = np.linspace(0, np.pi, ANGLES + 1)
        polynomial, first, second = _legendre(np.cos(angle), modes + 1)
        with np.errstate(invalid="ignore"):
            fall = (polynomial[:-2] - polynomial[2:]) / ((2 * order + 1)[:, None] * (1 - np.cos(angle)))
        return cls(
            radius=radius,
            strength=jnp.asarray(variance * (2 * order + 1) / (4 * np.pi * radius**2)),
            shares=jnp.asarray(np.where(angle == 0, 1.0, fall).T),
            slopes=jnp.asarray(np.stack([first[1:-1], second[1:-1]]).transpose(2, 0, 1)),
        )

    def cap_shares(self, radius):
        """f_l of domains whose rims lie ``radius`` (nm) from their centres, (..., modes)."""
        return _looked_up(self.shares, jnp.asarray(radius) / self.radius)

    def diffusion(self, shares):
        """D = sum_l w_l f_l^2 l(l+1)/2 in nm^2/s of domains with the ``shares`` f_l (..., modes)."""
        return (self.strength * self._self_slope * shares**2).sum(-1)

    def relative_diffusion(self, shares, others, angle):
        """D_ij = D_i + D_j - 2 sum_l w_l f_li f_lj P_l'(cos angle) in nm^2/s.

        With it two domains approach each other along their great circle. ``shares`` and ``others`` are their f_l
        (..., modes), ``angle`` (...) lies between their centres.
        """
        together = (self.strength * shares * others * self._slopes(angle)[..., 0, :]).sum(-1)
        return self.diffusion(shares) + self.diffusion(others) - 2 * together

    def displacements(self, key, place, shares, present, dt):
        """Displacements of all domains within ``dt`` and the places that they lead to.

        The rotation of the whole sphere is carried out as a rotation, whose angle may be large. What is left must be
        small against R.

        Arguments:
            key: of the random numbers.
            place: unit vectors, (domains, 3).
            shares: f_l, (domains, modes).
            present: which domains there are; others stay where they are, (domains,).
            dt: s.

        Returns unit vectors, (domains, 3).
        """
        whole, apart = jax.random.split(key)
        axis = jnp.sqrt(2 * self.strength[0] * dt) / self.radius * jax.random.normal(whole, (3,), place.dtype)
        draws = jax.random.normal(apart, (2 * len(place),), place.dtype)
        frame = tangent_frame(place)
        covariance = self.tangent_covariance(place, frame, shares, present)
        moved = jnp.sqrt(dt) / self.radius * (jnp.linalg.cholesky(covariance) @ draws).reshape(-1, 2)
        stepped = _along(place, jnp.einsum("ik,ikx->ix", moved, frame))
        turned = _rotated(stepped, shares[:, :1] * axis)
        return jnp.where(present[:, None], turned, place)

    def tangent_covariance(self, place, frame, shares, present):
        """Covariance per time of the displacements but for the rotation of the sphere, (2 domains, 2 domains), nm^2/s.

        Domains that are absent have the unit matrix. Arguments as of :meth:`displacements`, and ``frame``, the tangent
        vectors (domains, 2, 3) along which displacements are counted.
        """
        n = len(place)
        cosine = jnp.clip(place @ place.T, -1.0, 1.0)
        strength = self.strength.at[0].set(0.0)
        both = strength * shares[:, None, :] * shares[None, :, :]
        slopes = (both[:, :, None, :] * self._slopes(jnp.arccos(cosine))).sum(-1)
        own = jnp.eye(n, dtype=bool)
        first = jnp.where(own, (strength * self._self_slope * shares**2).sum(-1), slopes[..., 0])
        second = jnp.where(own, 0.0, slopes[..., 1])
        cross = jnp.cross(place[:, None, :], place[None, :, :])
        unit = jnp.eye(3, dtype=place.dtype)
        tensor = first[..., None, None] * (
            cosine[..., None, None] * unit - place[None, :, :, None] * place[:, None, None, :]
        ) - second[..., None, None] * (cross[..., :, None] * cross[..., None, :])
        blocks = 2 * jnp.einsum("iax,ijxy,jby->iajb", frame, tensor, frame)
        there = present[:, None] & present[None, :]
        blocks = jnp.where(there[:, None, :, None], blocks, 0.0).reshape(2 * n, 2 * n)
        # Places are looked up in tables: what this takes from the least eigenvalue is given back.
        ridge = jnp.where(jnp.repeat(present, 2), TABLE_ERROR * jnp.trace(blocks) / (2 * n), 1.0)
        return blocks + jnp.diag(ridge)

    @property
    def _self_slope(self):
        """P_l'(1) = l(l+1)/2, (modes,)."""
        order = jnp.arange(1, self.strength.shape[0] + 1)
        return order * (order + 1) / 2.0

    def _slopes(self, angle):
        """P_l' and P_l'' at cos angle, (..., 2, modes)."""
        return _looked_up(self.slopes, angle)


TABLE_ERROR = 1e-6
"""Added to the covariance, in units of its mean variance, so that it stays positive definite."""


def tangent_frame(place):
    """Two unit vectors at right angles to each other and to each unit vector of ``place``, (domains, 2, 3)."""
    # The axis of the smallest component is never parallel to the vector.
    least = jax.nn.one_hot(jnp.argmin(jnp.abs(place), -1), 3, dtype=place.dtype)
    first = jnp.cross(place, least)
    first = first / jnp.linalg.norm(first, axis=-1, keepdims=True)
    return jnp.stack([first, jnp.cross(place, first)], -2)


def angles_between(place):
    """Angles between all pairs of unit vectors (domains, 3), in rad, (domains, domains)."""
    cross = jnp.linalg.norm(jnp.cross(place[:, None, :], place[None, :, :]), axis=-1)
    return jnp.arctan2(cross, place @ place.T)


def mean_meeting_time(flow: Flow, radius: float, other: float, points: int = 400) -> float:
    """Mean time in s after which two domains of these radii (nm), somewhere on the sphere at the start, meet.

    tau = R^2/(1 + cos t_0) * integral from t_0 to pi of (1 + cos t)^2/[D_ij(t) sin t] dt with t_0 = (a_i + a_j)/R. The
    integral is by Gauss and Legendre in ln tan(t/2), in which the integrand is smooth.
    """
    contact = (radius + other) / flow.radius
    first, last = np.log(np.tan(contact / 2)), np.log(np.tan(np.pi / 2 - 1e-4))
    x, weight = np.polynomial.legendre.leggauss(points)
    angle = 2 * np.arctan(np.exp(first + (last - first) * (x + 1) / 2))
    relative = np.asarray(flow.relative_diffusion(flow.cap_shares(radius), flow.cap_shares(other), jnp.asarray(angle)))
    # d(ln tan(t/2)) = dt/sin t.
    integral = (last - first) / 2 * np.sum(weight * (1 + np.cos(angle)) ** 2 / relative)
    return float(flow.radius**2 / (1 + np.cos(contact)) * integral)


def _legendre(cosine, modes):
    """P_l, P_l' and P_l'' for l = 0 ... modes, each (modes + 1, points)."""
    p, d, dd = (np.zeros((modes + 1, len(cosine))) for _ in range(3))
    p[0], p[1], d[1] = 1.0, cosine, 1.0
    for n in range(2, modes + 1):
        p[n] = ((2 * n - 1) * cosine * p[n - 1] - (n - 1) * p[n - 2]) / n
        d[n] = d[n - 2] + (2 * n - 1) * p[n - 1]
        dd[n] = dd[n - 2] + (2 * n - 1) * d[n - 1]
    return p, d, dd


def _looked_up(table, angle):
    """Rows of a table over evenly spaced angles from 0 to pi, interpolated between two, (..., row)."""
    place = jnp.clip(jnp.asarray(angle) / jnp.pi, 0.0, 1.0) * (len(table) - 1)
    lower = jnp.clip(jnp.floor(place).astype(jnp.int32), 0, len(table) - 2)
    share = (place - lower).reshape(jnp.shape(place) + (1,) * (table.ndim - 1))
    return (1 - share) * table[lower] + share * table[lower + 1]


def _along(place, step):
    """Where the great circles lead that begin at ``place`` along the tangent vectors ``step`` (rad)."""
    length = jnp.linalg.norm(step, axis=-1, keepdims=True)
    return place * jnp.cos(length) + step * jnp.sinc(length / jnp.pi)


def _rotated(place, axis):
    """Unit vectors after rotations by the vectors ``axis`` (rad), made unit vectors again."""
    angle = jnp.linalg.norm(axis, axis=-1, keepdims=True)
    sine, versine = jnp.sinc(angle / jnp.pi), 0.5 * jnp.sinc(angle / (2 * jnp.pi)) ** 2
    once = jnp.cross(axis, place)
    turned = place + sine * once + versine * jnp.cross(axis, once)
    return turned / jnp.linalg.norm(turned, axis=-1, keepdims=True)
