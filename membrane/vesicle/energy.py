"""The free energy of a closed membrane and its lipids, one discrete functional of psi and phi.

    F =   int (3/(4 sqrt2)) (kappa/eps) [eps lap psi + (psi - psi^3)/eps - c0 (1 - psi^2)/sqrt2]^2     bending
        + int W [f(phi) + (K/2) |grad phi|^2]                                                         Lo and Ld
        + sum_i (K_A/2) (A_i - A0_i)^2/A0_i                                                           stretch
        + (K_V/2) (V - V0)^2/V0 + p V                                                                 osmosis

kappa, c0 interpolate between the phases with p(phi) = (3 phi - phi^3)/2, whose slope vanishes in both, so that
curvature does not push the pure phases off +-1. W = delta + floor; the floor lets phi reach beyond the membrane.
phi is a field of the box, constant along normals in equilibrium (a normal gradient costs energy). On a membrane that
moves, phi stays where it is, but its rim gives way so that every vesicle keeps its Lo lipids exactly:

    phi = phi_n + sum_i alpha_i chi_i s,   s = max(1 - phi_n^2, 0) + 0.01,   int chi_i W phi = const,

chi_i the part of the box that belongs to vesicle i. alpha is a function of psi, so F is one of psi too, and its
derivative carries the chemical potential that line tension and curvature put on the conserved lipids.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from membrane.energy import Lipids, lo_order
from membrane.grid import Grid
from membrane.vesicle import surface
from membrane.vesicle.surface import Derivatives

FLOOR = 1e-5
"""Floor of W over the largest delta of a profile."""

YIELD = 0.01
"""How much of the correction alpha pure phases take, against a wall: without walls they must take all."""


class Books(eqx.Module):
    """What each vesicle keeps: ``area`` A0 (nm^2, relaxed) and ``lo`` int W phi (nm^2), and whose membrane a point of
    the box belongs to (``labels``)."""

    area: Float[Array, " vesicles"]
    lo: Float[Array, " vesicles"]
    labels: Int[Array, "nz ny nx"]

    @property
    def vesicles(self) -> int:
        """Number of vesicles, static: a fission compiles anew."""
        return self.area.shape[0]

    def parts(self, dtype):
        """Indicator (vesicles, n_z, n_y, n_x) of the part of the box that belongs to each vesicle's membrane."""
        if self.vesicles == 1:
            return jnp.ones((1, 1, 1, 1), dtype)
        return jax.nn.one_hot(self.labels, self.vesicles, axis=0, dtype=dtype)

    def open(self, axis: int, side: int = -1):
        """Whether a point and its neighbour along ``axis`` (side -1: the next) belong to the same membrane."""
        return 1 if self.vesicles == 1 else self.labels == jnp.roll(self.labels, side, axis)


class Terms(NamedTuple):
    """The parts of the free energy, pN nm."""

    bending: Array
    lipids: Array
    stretch: Array
    osmosis: Array


class Membrane(eqx.Module):
    """Elastic constants: eps (nm); kappa (pN nm) and c0 (1/nm, total curvature, c0 > 0 into the lumen) as pairs
    (Ld, Lo); Lo/Ld ``lipids``; ``area_modulus`` K_A (pN/nm); optionally ``osmotic`` (K_V in pN/nm^2, V0 in nm^3) and
    ``pressure`` p, outside less inside (pN/nm^2)."""

    grid: Grid = eqx.field(static=True)
    interface_width: float
    bending_rigidity: tuple[float, float]
    spontaneous_curvature: tuple[float, float]
    lipids: Lipids
    area_modulus: float
    osmotic: tuple[float, float] | None = None
    pressure: float = 0.0

    def __check_init__(self):
        if len(self.grid.shape) != 3:
            raise ValueError(f"a vesicle needs a box, but {self.grid} is a plane")
        if self.interface_width < 1.2 * max(self.grid.spacing):
            raise ValueError(
                f"interface width {self.interface_width} nm is not resolved: make it at least 1.2 spacings, "
                f"{1.2 * max(self.grid.spacing):.3g} nm, or refine the grid"
            )

    # Integrals -------------------------------------------------------------------------------------------------

    def weight(self, psi: Derivatives):
        """W in 1/nm."""
        peak = surface.SCALE / (2 * self.interface_width)
        return surface.delta(psi, self.interface_width) + FLOOR * peak

    def open_books(self, psi, phi, labels=None, vesicles: int = 1) -> Books:
        """Books in which the membrane is relaxed as it is."""
        labels = jnp.zeros(self.grid.shape, jnp.int32) if labels is None else jnp.asarray(labels, jnp.int32)
        near = surface.derivatives(psi, self.grid)
        none = jnp.zeros(vesicles, self.grid.dtype)
        parts = Books(none, none, labels).parts(self.grid.dtype)
        area = surface.areas(near, self.interface_width, parts, self.grid)
        return Books(area, self._content(self.weight(near), phi, parts), labels)

    def _content(self, weight, phi, parts):
        return jnp.sum(parts * (weight * phi), (1, 2, 3)) * self.grid.cell_volume

    def settled(self, psi: Derivatives, phi, books: Books):
        """phi with its rims moved so that every vesicle has the Lo lipids of its books."""
        give = _give(phi)
        return phi + give * self._correction(psi, phi, give, books)

    def _correction(self, psi: Derivatives, phi, give, books: Books):
        """alpha of each vesicle, in its part of the box."""
        parts, weight = books.parts(self.grid.dtype), self.weight(psi)
        alpha = (books.lo - self._content(weight, phi, parts)) / self._content(weight, give, parts)
        return jnp.einsum("v,vzyx->zyx", alpha, parts)

    # Energy ----------------------------------------------------------------------------------------------------

    def mixed(self, pair, phi):
        """A property of the phases (Ld, Lo) at phi."""
        ld, lo = pair
        return 0.5 * (ld + lo) + 0.5 * (lo - ld) * lo_order(phi)

    def bending_density(self, psi: Derivatives, phi):
        """pN/nm^2 of box."""
        eps = self.interface_width
        c0 = self.mixed(self.spontaneous_curvature, phi)
        excess = surface.curvature(psi, eps) - c0 * (1 - psi.value**2) / 2**0.5
        return (0.5 * surface.SCALE / eps) * self.mixed(self.bending_rigidity, phi) * excess**2

    def terms(self, psi: Derivatives, phi, books: Books) -> Terms:
        """F by parts, from psi with its derivatives and phi as it is."""
        return self._terms(psi, phi, self._slopes(phi, phi, books), books)

    def _slopes(self, phi, other, books: Books):
        """grad phi . grad other in 1/nm^2: each face by halves to the points on its sides, so a face weighs the mean
        of theirs."""
        total = 0.0
        for axis, h in enumerate(self.grid.spacing):
            face = books.open(axis) * (jnp.roll(phi, -1, axis) - phi) * (jnp.roll(other, -1, axis) - other)
            total = total + (face + jnp.roll(face, 1, axis)) / (2 * h**2)
        return total

    def _terms(self, psi: Derivatives, phi, square, books: Books) -> Terms:
        grid, cell, weight = self.grid, self.grid.cell_volume, self.weight(psi)
        lipids = jnp.sum(weight * (self.lipids.density({"phi": phi}) + 0.5 * self.lipids.gradient * square))
        area = surface.areas(psi, self.interface_width, books.parts(grid.dtype), grid)
        stretch = 0.5 * self.area_modulus * jnp.sum((area - books.area) ** 2 / books.area)
        enclosed = surface.volume(psi.value, grid)
        osmosis = self.pressure * enclosed
        if self.osmotic is not None:
            modulus, rest = self.osmotic
            osmosis = osmosis + 0.5 * modulus * (enclosed - rest) ** 2 / rest
        return Terms(jnp.sum(self.bending_density(psi, phi)) * cell, lipids * cell, stretch, osmosis)

    def free_energy(self, psi, phi, books: Books):
        """F in pN nm of fields (n_z, n_y, n_x); the Lo lipids are those of the books."""
        near = surface.derivatives(psi, self.grid)
        return sum(self.terms(near, self.settled(near, phi, books), books))

    def shape_derivative(self, psi: Derivatives, phi, books: Books):
        """(F, dF/dpsi per volume in pN/nm^2), the exact derivative of the discrete energy."""
        give = _give(phi)
        first = self._correction(psi, phi, give, books)
        settled = phi + first * give
        # Of alpha only its first order about what it is here matters: then no stencil has to be differentiated.
        square, cross = self._slopes(settled, settled, books), 2 * self._slopes(settled, give, books)

        def energy(near):
            more = self._correction(near, phi, give, books) - first
            return sum(self._terms(near, settled + more * give, square + more * cross, books))

        value, slope = jax.value_and_grad(energy)(psi)
        return value, surface.adjoint(slope, self.grid) / self.grid.cell_volume

    def chemical_potential(self, psi: Derivatives, phi, books: Books):
        """dF/dphi over W in pN/nm, the energy per area that phi gains."""
        slope = jax.grad(lambda phi: sum(self.terms(psi, phi, books)))(phi)
        return slope / (self.weight(psi) * self.grid.cell_volume)

    def stiff(self, psi: Derivatives, books: Books):
        """(a_i, k_i): what is nearly conserved, as functional derivatives (n, n_z, n_y, n_x) in psi, and its moduli
        K/rest (n,), so that k_i a_i a_i is the stiff part of the second variation of F."""
        stretch = surface.area_variation(psi, self.interface_width) * books.parts(self.grid.dtype)
        moduli = self.area_modulus / books.area
        if self.osmotic is None:
            return stretch, moduli
        modulus, rest = self.osmotic
        enclosed = surface.volume_variation(psi.value)[None]
        return jnp.concatenate([stretch, enclosed]), jnp.append(moduli, jnp.asarray(modulus / rest, moduli.dtype))

    def tension(self, psi: Derivatives, books: Books):
        """K_A (A_i - A0_i)/A0_i of each vesicle, pN/nm."""
        area = surface.areas(psi, self.interface_width, books.parts(self.grid.dtype), self.grid)
        return self.area_modulus * (area - books.area) / books.area


def _give(phi):
    """s: the walls, and a little of the pure phases."""
    return jnp.maximum(1 - phi**2, 0) + YIELD


def face_weight(weight, books: Books, axis: int):
    """W between a point and the next along ``axis``; none between the membranes of two vesicles."""
    return 0.5 * (weight + jnp.roll(weight, -1, axis)) * books.open(axis)
