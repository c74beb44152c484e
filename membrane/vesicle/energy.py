"""The free energy of a closed membrane and what is in it, one discrete functional of psi and the surface fields X.

    F =   int (3/(4 sqrt2)) (kappa/eps) [eps lap psi + (psi - psi^3)/eps - c0 (1 - psi^2)/sqrt2]^2     bending
        + int (kappa_G - max kappa_G) delta K                                                  Gaussian curvature
        + int W [f(X) + (K/2) |grad phi|^2]                                                        composition
        + sum_i (K_A/2) (A_i - A0_i)^2/A0_i                                                           stretch
        + (K_V/2) (V - V0)^2/V0 + p V                                                                 osmosis

X are phi (Lo and Ld) and, as on the Sheet and with the same densities f of membrane.energy, ceramide of both leaflets
and cargo. c0 = c0(phi) + sum_i C_i X_i. kappa and c0(phi) interpolate between the phases with p = (3 phi - phi^3)/2,
whose slope vanishes in both, so that curvature does not push the pure phases off +-1. W = delta + floor; the floor lets
X reach beyond the membrane. X are fields of the box, constant along normals in equilibrium. On a membrane that moves
they stay where they are, but give way where they can so that every vesicle keeps its content of each exactly:

    X = X_n + sum_i alpha_i chi_i s,   int chi_i W X = const,

chi_i the part of the box that belongs to vesicle i. s is what an even change of chemical potential would add:
max(1 - phi^2, 0) + 0.01 for phi, whose rims give way, and c (1 - c), u_i u_0 for what is on a lattice, which stays
between 0 and 1. alpha is a function of psi, so F is one of psi too, and its derivative carries the chemical potential
that line tension and curvature put on what is conserved.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from membrane.energy import Cargo, Ceramide, Lipids, Mixture, lo_order, spontaneous_curvature
from membrane.lattice import slabs, spectral
from membrane.lattice.grid import Grid
from membrane.vesicle import surface
from membrane.vesicle.surface import Derivatives

FLOOR = 1e-5
"""Floor of W over the largest delta of a profile."""

YIELD = 0.01
"""How much of the correction alpha pure phases take, against a wall: without walls they must take all."""


class Conserved(eqx.Module):
    """What each vesicle keeps: ``area`` A0 (nm^2, relaxed) and ``content`` int W X of each species (nm^2), and whose
    membrane a point of the box belongs to (``labels``)."""

    area: Float[Array, " vesicles"]
    content: Float[Array, "species vesicles"]
    labels: Int[Array, "nz ny nx"]

    @property
    def lo(self):
        """int W phi of each vesicle, nm^2."""
        return self.content[0]

    @property
    def count(self) -> int:
        """Number of vesicles, static: a fission compiles anew."""
        return self.area.shape[0]

    def regions(self, dtype):
        """Indicator (vesicles, n_z, n_y, n_x) of the part of the box that belongs to each vesicle's membrane."""
        if self.count == 1:
            return jnp.ones((1, 1, 1, 1), dtype)
        return jax.nn.one_hot(self.labels, self.count, axis=0, dtype=dtype)

    def same_membrane(self, axis: int, side: int = -1):
        """Whether a point and its neighbour along ``axis`` (side -1: the next) belong to the same membrane."""
        return 1 if self.count == 1 else self.labels == jnp.roll(self.labels, side, axis)


class Terms(NamedTuple):
    """The parts of the free energy, pN nm."""

    bending: Array
    lipids: Array  # all of the composition
    stretch: Array
    osmosis: Array


class Membrane(eqx.Module):
    """Elastic constants: eps (nm); kappa (pN nm) and c0 (1/nm, total curvature, c0 > 0 into the lumen) as pairs
    (Ld, Lo); Lo/Ld ``lipids``; ``area_modulus`` K_A (pN/nm); optionally ``osmotic`` (K_V in pN/nm^2, V0 in nm^3),
    ``pressure`` p, outside less inside (pN/nm^2), ``ceramide`` and ``cargo``, and their ``coefficients`` C_i (1/nm);
    ``gaussian_rigidity`` kappa_G (pN nm) as a pair, whose contrast is part of F and whose larger value, which tells
    only the topology, is not: :meth:`topological_energy`. Raises ValueError for a plane, fewer devices than the grid is
    cut over, an unresolved interface, a coefficient of what is not there and a phase that would crumple."""

    grid: Grid = eqx.field(static=True)
    interface_width: float
    bending_rigidity: tuple[float, float]
    spontaneous_curvature: tuple[float, float]
    lipids: Lipids
    area_modulus: float
    osmotic: tuple[float, float] | None = None
    pressure: float = 0.0
    ceramide: Ceramide | None = None
    cargo: Cargo | None = None
    coefficients: dict[str, float] = eqx.field(default_factory=dict)
    gaussian_rigidity: tuple[float, float] = (0.0, 0.0)

    def __check_init__(self):
        if len(self.grid.shape) != 3:
            raise ValueError(f"a vesicle needs a box, but {self.grid} is a plane")
        if self.grid.devices > 1:
            slabs.mesh(self.grid.devices)
        if self.interface_width < 1.2 * max(self.grid.spacing):
            raise ValueError(
                f"interface width {self.interface_width} nm is not resolved: make it at least 1.2 spacings, "
                f"{1.2 * max(self.grid.spacing):.3g} nm, or refine the grid"
            )
        for kappa, gaussian in zip(self.bending_rigidity, self.gaussian_rigidity, strict=True):
            if max(self.gaussian_rigidity) - gaussian > 1.5 * kappa:
                raise ValueError(
                    f"a phase with kappa {kappa} pN nm crumples where its kappa_G is {gaussian} and the other's "
                    f"{max(self.gaussian_rigidity)}: they may differ by 1.5 kappa (2 kappa on a surface without width)"
                )
        unknown = sorted(set(self.coefficients) - set(self.species[1:]))
        if unknown:
            raise ValueError(
                f"coefficients name {unknown}, but beside phi there is {list(self.species[1:])}; the phases' own "
                "curvatures are spontaneous_curvature"
            )

    # Fields ----------------------------------------------------------------------------------------------------

    @property
    def mixture(self) -> Mixture:
        """What the membrane is made of."""
        return Mixture(self.lipids, self.ceramide, self.cargo)

    @property
    def species(self) -> tuple[str, ...]:
        """Names of the surface fields in their order; the first is phi."""
        return self.mixture.species

    def named(self, fields) -> dict:
        """The fields by name."""
        return self.mixture.named(fields)

    def separate(self, fields) -> tuple:
        """The fields (n_z, n_y, n_x) one by one, from an array (species, ...) or a sequence of them; where phi is the
        only species it may be given by itself.

        Raises ValueError where they are not as many as the species.
        """
        fields = (fields,) if getattr(fields, "ndim", 4) == 3 else tuple(fields)
        if len(fields) != len(self.species):
            raise ValueError(f"{len(fields)} field(s) given, but the species of this membrane are {self.species}")
        return fields

    def stacked(self, fields):
        """The same as one array (species, n_z, n_y, n_x)."""
        return jnp.stack([jnp.asarray(field, self.grid.dtype) for field in self.separate(fields)])

    def composed(self, phi, fractions: dict[str, float]):
        """Fields (species, n_z, n_y, n_x) of given phi and even area fractions of all other species.

        Raises ValueError where ``fractions`` names others than these.
        """
        if set(fractions) != set(self.species[1:]):
            raise ValueError(f"fractions name {sorted(fractions)}, but what is beside phi is {list(self.species[1:])}")
        even = [jnp.full(self.grid.shape, fractions[name], self.grid.dtype) for name in self.species[1:]]
        return jnp.stack([jnp.asarray(phi, self.grid.dtype), *even])

    # Integrals -------------------------------------------------------------------------------------------------

    def weight(self, psi: Derivatives):
        """W in 1/nm."""
        peak = surface.SCALE / (2 * self.interface_width)
        return surface.delta(psi, self.interface_width) + FLOOR * peak

    def conserved(self, psi, fields, labels=None, count: int = 1) -> Conserved:
        """Books in which the membrane is relaxed as it is; ``fields`` as :meth:`stacked` takes them. Made on the host,
        where sums are in double precision."""
        labels = np.zeros(self.grid.shape, np.int32) if labels is None else np.asarray(labels, np.int32)
        near = surface.derivatives(psi, self.grid)

        def sums(density):
            density = np.asarray(density, float).ravel() * self.grid.cell_volume
            return jnp.asarray(np.bincount(labels.ravel(), density, count), self.grid.dtype)

        weight = np.asarray(self.weight(near), float)
        content = jnp.stack([sums(weight * np.asarray(field, float)) for field in self.separate(fields)])
        return Conserved(sums(surface.delta(near, self.interface_width)), content, jnp.asarray(labels))

    def _content(self, weight, fields, parts):
        """int chi W X, (species, vesicles)."""
        each = [spectral.total(parts * (weight * field)) for field in fields]
        return jnp.stack(each) * self.grid.cell_volume

    def content_change(self, psi: Derivatives, change, conserved: Conserved):
        """int chi W of a change of the fields, (species, vesicles) in nm^2."""
        return self._content(self.weight(psi), change, conserved.regions(self.grid.dtype))

    def corrected(self, psi: Derivatives, fields, conserved: Conserved):
        """Fields (species, ...) that have given way so that every vesicle has what its books say."""
        return jnp.stack(self._corrected(self.weight(psi), self.separate(fields), conserved))

    def _corrected(self, weight, fields, conserved: Conserved) -> tuple:
        """X + sum_i alpha_i chi_i s for every field."""
        parts, give = conserved.regions(self.grid.dtype), self._correction_shapes(fields)
        alpha = (conserved.content - self._content(weight, fields, parts)) / self._content(weight, give, parts)
        return tuple(field + as_field(a, parts) * s for field, a, s in zip(fields, alpha, give, strict=True))

    def _correction_shapes(self, fields) -> tuple:
        """s: the walls and a little of the pure phases; and as the mobilities of what is on a lattice."""
        named, part = self.named(fields), self.mixture.part
        return _phi_correction_shape(named["phi"]), *(part(name).mobility(name, named) for name in self.species[1:])

    # Energy ----------------------------------------------------------------------------------------------------

    def mixed(self, pair, phi):
        """A property of the phases (Ld, Lo) at phi."""
        ld, lo = pair
        return 0.5 * (ld + lo) + 0.5 * (lo - ld) * lo_order(phi)

    def preferred_curvature(self, fields):
        """c0 = c0(phi) + sum_i C_i X_i in 1/nm."""
        named = self.named(self.separate(fields))
        return spontaneous_curvature(named, self.coefficients, self.mixed(self.spontaneous_curvature, named["phi"]))

    def bending_density(self, psi: Derivatives, fields):
        """pN/nm^2 of box, with the Gaussian curvature's share where kappa_G differs between the phases."""
        fields, eps = self.separate(fields), self.interface_width
        excess = surface.curvature(psi, eps) - self.preferred_curvature(fields) * (1 - psi.value**2) / 2**0.5
        density = (0.5 * surface.SCALE / eps) * self.mixed(self.bending_rigidity, fields[0]) * excess**2
        ld, lo = self.gaussian_rigidity
        if ld == lo:
            return density
        gaussian = surface.gaussian_density(psi, surface.hessian(psi.value, self.grid), eps)
        # Never positive: (kappa/2)(tr A)^2 bounds kappa_G times the minors of A from below, but not from above.
        return density + self.mixed((ld - max(ld, lo), lo - max(ld, lo)), fields[0]) * gaussian

    def topological_energy(self, membranes: int) -> float:
        """4 pi max kappa_G of each of so many spheres, pN nm: what F leaves out, and what a fission adds once."""
        return 4 * np.pi * max(self.gaussian_rigidity) * membranes

    def terms(self, psi: Derivatives, fields, conserved: Conserved) -> Terms:
        """F by parts, from psi with its derivatives and the fields as they are."""
        fields = self.separate(fields)
        return self._terms(psi, fields, self._composition(fields, self._slopes(fields[0], conserved)), conserved)

    def _composition(self, fields, square):
        """f + (K/2) |grad phi|^2, pN/nm."""
        return self.mixture.density(self.named(fields)) + 0.5 * self.lipids.gradient * square

    def _slopes(self, phi, conserved: Conserved, of=lambda phi: phi):
        """grad phi . grad of(phi) in 1/nm^2: each face by halves to the points on its sides, so a face weighs the mean
        of theirs."""
        grid = self.grid

        def slab(phi, faces):
            wide, total = slabs.ghosted(phi, grid.devices), 0.0
            for axis, (both, h) in enumerate(zip(faces, grid.spacing, strict=True)):
                for side, face in zip((-1, 1), both, strict=True):
                    there = slabs.beside(wide, axis, side)
                    total = total + face * (there - phi) * (of(there) - of(phi)) / (2 * h**2)
            return total

        faces = [[conserved.same_membrane(axis, -side) for side in (-1, 1)] for axis in range(3)]
        return slabs.on_slabs(slab, grid.devices)(phi, faces)

    def _terms(self, psi: Derivatives, fields, composition, conserved: Conserved) -> Terms:
        grid, cell = self.grid, self.grid.cell_volume
        area = surface.areas(psi, self.interface_width, conserved.regions(grid.dtype), grid)
        stretch = 0.5 * self.area_modulus * jnp.sum((area - conserved.area) ** 2 / conserved.area)
        enclosed = surface.volume(psi.value, grid)
        osmosis = self.pressure * enclosed
        if self.osmotic is not None:
            modulus, rest = self.osmotic
            osmosis = osmosis + 0.5 * modulus * (enclosed - rest) ** 2 / rest
        bending = spectral.total(self.bending_density(psi, fields)) * cell
        return Terms(bending, spectral.total(self.weight(psi) * composition) * cell, stretch, osmosis)

    def free_energy(self, psi, fields, conserved: Conserved):
        """F in pN nm of psi (n_z, n_y, n_x) and fields; the content of every vesicle is that of the books."""
        near = surface.derivatives(psi, self.grid)
        return sum(self.terms(near, self.corrected(near, fields, conserved), conserved))

    def shape_derivative(self, psi: Derivatives, fields, conserved: Conserved):
        """(F, dF/dpsi per volume in pN/nm^2, the fields one by one that have given way).

        dF/dpsi is the exact derivative of the discrete energy about these fields, that of F - sum_i mu_i int chi_i W X
        with X as it is: mu_i = (dF/dalpha_i)/int chi_i W s is the chemical potential of what a vesicle keeps.
        """
        cell, parts, weight = self.grid.cell_volume, conserved.regions(self.grid.dtype), self.weight(psi)
        fields = self._corrected(weight, self.separate(fields), conserved)
        composition = self._composition(fields, self._slopes(fields[0], conserved))
        give = self._correction_shapes(fields)
        local = lambda fields: jnp.sum(
            weight * self.mixture.density(self.named(fields)) + self.bending_density(psi, fields)
        )
        gain = [pull * s for pull, s in zip(jax.grad(local)(fields), give, strict=True)]
        gain[0] = gain[0] + weight * self.lipids.gradient * self._slopes(fields[0], conserved, _phi_correction_shape)
        potential = self._content(1.0, gain, parts) / self._content(weight, give, parts)
        price = sum(as_field(mu, parts) * field for mu, field in zip(potential, fields, strict=True))
        # By way of W, for the compiler stores a quotient, and would put a difference together anew wherever it is used.
        net = weight * (composition - price) / weight
        energy = lambda near, composition: sum(self._terms(near, fields, composition, conserved))
        value, slope = energy(psi, composition), jax.grad(energy)(psi, net)
        return value, surface.adjoint(slope, self.grid) / cell, fields

    def chemical_potential(self, psi: Derivatives, fields, conserved: Conserved, name: str = "phi"):
        """dF/dX over W in pN/nm, the energy per area that one species gains, (n_z, n_y, n_x)."""
        fields, i = self.separate(fields), self.species.index(name)
        energy = lambda field: sum(self.terms(psi, (*fields[:i], field, *fields[i + 1 :]), conserved))
        return jax.grad(energy)(fields[i]) / (self.weight(psi) * self.grid.cell_volume)

    def stiff_modes(self, psi: Derivatives, conserved: Conserved):
        """(a_i, k_i): what is nearly conserved, as functional derivatives (n, n_z, n_y, n_x) in psi, and its moduli
        K/rest (n,), so that k_i a_i a_i is the stiff part of the second variation of F."""
        stretch = surface.area_variation(psi, self.interface_width) * conserved.regions(self.grid.dtype)
        moduli = self.area_modulus / conserved.area
        if self.osmotic is None:
            return stretch, moduli
        modulus, rest = self.osmotic
        enclosed = surface.volume_variation(psi.value)[None]
        return jnp.concatenate([stretch, enclosed]), jnp.append(moduli, jnp.asarray(modulus / rest, moduli.dtype))

    def tension(self, psi: Derivatives, conserved: Conserved):
        """K_A (A_i - A0_i)/A0_i of each vesicle, pN/nm."""
        area = surface.areas(psi, self.interface_width, conserved.regions(self.grid.dtype), self.grid)
        return self.area_modulus * (area - conserved.area) / conserved.area


def as_field(numbers, parts):
    """Numbers (vesicles,) in the parts of the box that they belong to."""
    return numbers[0] if parts.shape[0] == 1 else jnp.einsum("v,vzyx->zyx", numbers, parts)


def _phi_correction_shape(phi):
    """s of phi."""
    return jnp.maximum(1 - phi**2, 0) + YIELD
