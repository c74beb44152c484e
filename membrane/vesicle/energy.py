"""The free energy F of the membranes in a box: one discrete functional of psi and of the fields X on the membrane.

    F =   int (3/(4 sqrt2)) (kappa/eps) [eps lap psi + (psi - psi^3)/eps - c0 (1 - psi^2)/sqrt2]^2     bending
        + int (kappa_G - max kappa_G) delta K                                                  Gaussian curvature
        + int W [f(X) + (K/2) |grad phi|^2]                                                        composition
        + sum_i (K_A/2) (A_i - A0_i)^2/A0_i                                                           stretch
        + (K_V/2) (V - V0)^2/V0 + p V                                                                 osmosis

With a reserve (:mod:`membrane.vesicle.reserve`) the limiting membrane 0 has, instead of its stretch,

    (sigma - f_r - (kappa/2) c0_r^2) (min(A_0, A_r) - A0_0) + A_r int_0^e [sigma(e) - f_r - (kappa/2) c0_r^2] de.

The index r belongs to the membrane in reserve. In (V - V0)^2 V counts with the fluid that regulation has let out.
In the second line K is the Gaussian curvature, in the third the gradient coefficient of phi. i counts closed membranes.

- X are the fields on the membrane: phi (Lo and Ld) and, as on the sheet and with the same density f
  (:mod:`membrane.energy`), ceramide in both leaflets and cargo. They are fields of the whole box, and in equilibrium
  they are constant along normals of the membrane.
- c0 = c0(phi) + sum_i C_i X_i. kappa and c0(phi) vary between the phases with p = (3 phi - phi^3)/2. Its slope is zero
  in both phases, so that curvature does not push them off phi = +-1.
- W = delta + a small constant, which lets X reach beyond the membrane.

When the membrane moves, X is corrected so that each closed membrane keeps its content of every species exactly:

    X = X_n + sum_i chi_i (alpha_i w + beta_i s),   int chi_i W X = Q_i A_i/A0_i.

Q_i is what membrane i holds of a species when it is not strained. A strain A_i/A0_i - 1 is the same in all phases, so
it leaves fractions and the share of Lo as they are. What a membrane with a reserve holds instead:
:mod:`membrane.vesicle.conserved`.

chi_i is 1 in the region of the box that belongs to membrane i and 0 elsewhere. If the membranes are divided into
patches (:mod:`membrane.vesicle.patches`), i counts these, and each of them has to hold its own content.

alpha_i moves the walls between Lo and Ld, and beta_i gives ceramide and cargo what they then still lack. Their shapes w
and s are those of :mod:`membrane.vesicle.correction`. alpha and beta are functions of psi, and so is F. Its derivative
contains the chemical potentials that line tension and curvature give to what is kept.
"""

from dataclasses import KW_ONLY
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from membrane.energy import Cargo, Ceramide, Lipids, Mixture, lo_order, spontaneous_curvature
from membrane.lattice import slabs, spectral
from membrane.lattice.grid import Grid
from membrane.vesicle import surface
from membrane.vesicle.conserved import Conserved
from membrane.vesicle.correction import correction_shapes, over
from membrane.vesicle.reserve import Reservoir
from membrane.vesicle.surface import Derivatives

FLOOR = 1e-5
"""The constant in W, over the largest delta of a profile."""


class Terms(NamedTuple):
    """The parts of the free energy, pN nm.

    Arguments:
        bending: bending energy, with that of the Gaussian curvature.
        lipids: energy of the composition, that of ceramide and cargo included.
        stretch: energy of stretching the membranes, or of the area from a reservoir.
        osmosis: energy of osmosis and of the pressure.
    """

    bending: Array
    lipids: Array
    stretch: Array
    osmosis: Array


class Membrane(eqx.Module):
    """The elastic properties and the composition of all membranes in a box. Everything after ``grid`` is keyword-only.

    Arguments:
        grid: the box.
        interface_width: eps, nm; at least 1.2 spacings of the grid.
        bending_rigidity: kappa of Ld and of Lo, pN nm.
        spontaneous_curvature: c0 of Ld and of Lo, 1/nm; a total curvature, and c0 > 0 bends into the lumen.
        lipids: double well and gradient energy of phi.
        area_modulus: K_A, pN/nm; with a reservoir, that of all membranes but the largest limiting one.
        osmotic: K_V in pN/nm^2 and V0 in nm^3; without it the volume is free.
        pressure: p, outside less inside, pN/nm^2.
        ceramide: ceramide in the two leaflets, if there is any.
        cargo: cargo, if there is any.
        coefficients: C_i of ceramide and cargo by name, 1/nm.
        gaussian_rigidity: kappa_G of Ld and of Lo, pN nm. Only their difference is part of F. The larger one depends on
            the topology only: :meth:`topological_energy`.
        reservoir: membrane in reserve for the largest limiting one; without it the relaxed area is that of the start.

    Raises ValueError for a plane, for fewer devices than the grid is cut over, for an interface that the grid does not
    resolve, for a coefficient of a species that is not there, and for a phase that would crumple.

    >>> grid = Grid((32, 32, 32), (96.0, 96.0, 96.0))
    >>> membrane = Membrane(
    ...     grid,
    ...     interface_width=4.0,
    ...     bending_rigidity=(85.6, 171.2),
    ...     spontaneous_curvature=(0.0, 0.05),
    ...     lipids=Lipids.from_wall(line_tension=1.0, interface_width=4.0),
    ...     area_modulus=240.0,
    ... )
    >>> membrane.species
    ('phi',)
    """

    grid: Grid = eqx.field(static=True)
    _: KW_ONLY
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
    reservoir: Reservoir | None = None

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
        if self.reservoir is not None and len(self.reservoir.fields) != len(self.species):
            raise ValueError(
                f"the reservoir has {len(self.reservoir.fields)} field(s), but the species are {self.species}: "
                "give one number for each"
            )
        unknown = sorted(set(self.coefficients) - set(self.species[1:]))
        if unknown:
            raise ValueError(
                f"coefficients name {unknown}, but beside phi there is {list(self.species[1:])}; the curvatures of "
                "the phases themselves are given as spontaneous_curvature"
            )

    # Fields ----------------------------------------------------------------------------------------------------

    @property
    def mixture(self) -> Mixture:
        """What the membrane is made of."""
        return Mixture(self.lipids, self.ceramide, self.cargo)

    @property
    def species(self) -> tuple[str, ...]:
        """Names of the fields on the membrane in their order; the first is phi."""
        return self.mixture.species

    def named(self, fields) -> dict:
        """The fields by name. They are given as an array (species, ...) or as a sequence."""
        return self.mixture.named(fields)

    def separate(self, fields) -> tuple:
        """The fields as a tuple of arrays (n_z, n_y, n_x), from an array (species, n_z, n_y, n_x) or a sequence.

        If phi is the only species, it may be given by itself. Raises ValueError if there are not as many fields as
        species.
        """
        fields = (fields,) if getattr(fields, "ndim", 4) == 3 else tuple(fields)
        if len(fields) != len(self.species):
            raise ValueError(f"{len(fields)} field(s) given, but the species of this membrane are {self.species}")
        return fields

    def stacked(self, fields):
        """The fields as one array (species, n_z, n_y, n_x), from what :meth:`separate` takes."""
        return jnp.stack([jnp.asarray(field, self.grid.dtype) for field in self.separate(fields)])

    def composed(self, phi, fractions: dict[str, float]):
        """Fields (species, n_z, n_y, n_x) with a given phi, and all other species even over the whole box.

        Arguments:
            phi: the order parameter, (n_z, n_y, n_x).
            fractions: area fraction of each other species, by name.

        Raises ValueError if ``fractions`` does not name exactly the other species.
        """
        if set(fractions) != set(self.species[1:]):
            raise ValueError(
                f"fractions name {sorted(fractions)}; name exactly the species beside phi: {list(self.species[1:])}"
            )
        even = [jnp.full(self.grid.shape, fractions[name], self.grid.dtype) for name in self.species[1:]]
        return jnp.stack([jnp.asarray(phi, self.grid.dtype), *even])

    # Integrals -------------------------------------------------------------------------------------------------

    def weight(self, psi: Derivatives):
        """W in 1/nm, (n_z, n_y, n_x): the surface density delta with a small constant added."""
        peak = surface.SCALE / (2 * self.interface_width)
        return surface.delta(psi, self.interface_width) + FLOOR * peak

    def conserved(self, psi, fields, labels=None, count: int = 1) -> Conserved:
        """What each closed membrane keeps if its present area is its relaxed area.

        Arguments:
            psi: the phase field, (n_z, n_y, n_x).
            fields: the fields on the membrane, as :meth:`separate` takes them.
            labels: index of the membrane of each point, (n_z, n_y, n_x); not needed for a single membrane.
            count: number of closed membranes.

        The sums are taken on the host in double precision.
        """
        labels = np.zeros(self.grid.shape, np.int32) if labels is None else np.asarray(labels, np.int32)
        near = surface.derivatives(psi, self.grid)

        def sums(density):
            density = np.asarray(density, float).ravel() * self.grid.cell_volume
            return jnp.asarray(np.bincount(labels.ravel(), density, count), self.grid.dtype)

        weight = np.asarray(self.weight(near), float)
        content = jnp.stack([sums(weight * np.asarray(field, float)) for field in self.separate(fields)])
        endless, nothing = (jnp.asarray(number, self.grid.dtype) for number in (jnp.inf, 0.0))
        area = sums(surface.delta(near, self.interface_width))
        return Conserved(area, content, jnp.asarray(labels), endless, nothing)

    def _content(self, weight, fields, conserved: Conserved):
        """int chi W X of each species and part that keeps its content, (species, parts)."""
        return jnp.stack([conserved.total(weight * field) for field in fields]) * self.grid.cell_volume

    def areas(self, psi: Derivatives, conserved: Conserved):
        """int delta of each membrane, nm^2, (membranes,)."""
        return surface.areas(psi, self.interface_width, conserved.regions(self.grid.dtype), self.grid)

    def drawn(self, psi: Derivatives, conserved: Conserved):
        """What the reserve has given to each membrane, nm^2, (membranes,)."""
        return conserved.drawn(self.areas(psi, conserved), self.reservoir)

    def content_change(self, psi: Derivatives, change, conserved: Conserved):
        """By how much a change of the fields changes the contents, nm^2, (species, membranes)."""
        strained = self._content(self.weight(psi), change, conserved)
        return strained / conserved.stretched(self.areas(psi, conserved), self.reservoir)

    def relaxed_content(self, psi: Derivatives, fields, conserved: Conserved):
        """What each membrane would hold at its relaxed area, nm^2, (species, membranes).

        It is (A0_i/A_i) int chi_i W X, for the membrane with a reserve less what the reserve has given.
        """
        given = conserved.given(self.areas(psi, conserved), self.reservoir)
        return self.content_change(psi, fields, conserved) - given

    def _held(self, psi: Derivatives, conserved: Conserved):
        """int chi W X that each patch or membrane has to have, nm^2, (species, parts)."""
        areas, patches = self.areas(psi, conserved), conserved.patches
        if patches is None:
            return conserved.held(areas, self.reservoir)
        area = patches.total(surface.delta(psi, self.interface_width)) * self.grid.cell_volume
        return patches.held(area, conserved.stretched(areas, self.reservoir))

    def corrected(self, psi: Derivatives, fields, conserved: Conserved):
        """Fields (species, n_z, n_y, n_x), corrected so that every membrane has the content in ``conserved``."""
        return jnp.stack(self._corrected(psi, self.weight(psi), self.separate(fields), conserved))

    def _corrected(self, psi: Derivatives, weight, fields, conserved: Conserved) -> tuple:
        """X + sum_i chi_i (alpha_i w + beta_i s) for every field."""
        follow, even = correction_shapes(self.mixture, fields)
        missing = self._held(psi, conserved) - self._content(weight, fields, conserved)
        moved, even_content = (self._content(weight, shapes, conserved) for shapes in (follow, even))
        alpha = over(missing[0], moved[0])
        # phi has what it should have by then.
        beta = over(missing - alpha * moved, even_content).at[0].set(0)
        return tuple(
            field + conserved.spread(alpha) * w + conserved.spread(b) * s
            for field, w, b, s in zip(fields, follow, beta, even, strict=True)
        )

    # Energy ----------------------------------------------------------------------------------------------------

    def mixed(self, pair, phi):
        """A property of the membrane at phi, from the ``pair`` of its values in Ld and in Lo."""
        ld, lo = pair
        return 0.5 * (ld + lo) + 0.5 * (lo - ld) * lo_order(phi)

    def preferred_curvature(self, fields):
        """c0 = c0(phi) + sum_i C_i X_i in 1/nm, (n_z, n_y, n_x)."""
        named = self.named(self.separate(fields))
        return spontaneous_curvature(named, self.coefficients, self.mixed(self.spontaneous_curvature, named["phi"]))

    def bending_density(self, psi: Derivatives, fields):
        """Bending energy per volume of the box, pN/nm^2, (n_z, n_y, n_x).

        If kappa_G differs between the phases, that of the Gaussian curvature is included.
        """
        fields, eps = self.separate(fields), self.interface_width
        excess = surface.curvature(psi, eps) - self.preferred_curvature(fields) * (1 - psi.value**2) / 2**0.5
        density = (0.5 * surface.SCALE / eps) * self.mixed(self.bending_rigidity, fields[0]) * excess**2
        ld, lo = self.gaussian_rigidity
        if ld == lo:
            return density
        gaussian = surface.gaussian_density(psi, surface.hessian(psi.value, self.grid), eps)
        # The factor of the Gaussian curvature is never positive. With the other sign the energy has no lower bound.
        return density + self.mixed((ld - max(ld, lo), lo - max(ld, lo)), fields[0]) * gaussian

    def topological_energy(self, count: int) -> float:
        """4 pi times the larger kappa_G for each of ``count`` closed membranes, pN nm; a fission adds one.

        It is not part of F.
        """
        return 4 * np.pi * max(self.gaussian_rigidity) * count

    def terms(self, psi: Derivatives, fields, conserved: Conserved) -> Terms:
        """The parts of F. The fields are taken as they are, without a correction."""
        fields = self.separate(fields)
        return self._terms(
            psi, fields, self._composition(fields, self._gradient_square(fields[0], conserved)), conserved
        )

    def _composition(self, fields, square):
        """f + (K/2) |grad phi|^2 in pN/nm, from the fields and |grad phi|^2."""
        return self.mixture.density(self.named(fields)) + 0.5 * self.lipids.gradient * square

    def _gradient_square(self, phi, conserved: Conserved):
        """|grad phi|^2 in 1/nm^2, (n_z, n_y, n_x).

        The differences belong to the faces between points. Half of each face counts for the point on either side. There
        is no face between the regions of two membranes.
        """
        grid = self.grid

        def slab(phi, faces):
            wide, total = slabs.ghosted(phi, grid.devices), 0.0
            for axis, (both, h) in enumerate(zip(faces, grid.spacing, strict=True)):
                for side, face in zip((-1, 1), both, strict=True):
                    there = slabs.beside(wide, axis, side)
                    total = total + face * (there - phi) ** 2 / (2 * h**2)
            return total

        faces = [[conserved.same_membrane(axis, -side) for side in (-1, 1)] for axis in range(3)]
        return slabs.on_slabs(slab, grid.devices)(phi, faces)

    def _terms(self, psi: Derivatives, fields, composition, conserved: Conserved) -> Terms:
        """The parts of F, from the energy of the composition per area (pN/nm)."""
        grid, cell = self.grid, self.grid.cell_volume
        area = self.areas(psi, conserved)
        stretch = 0.5 * self.area_modulus * (area - conserved.area) ** 2 / conserved.area
        if self.reservoir is not None:
            stretch = stretch.at[0].set(self._cost_of_drawing(area, conserved))
        stretch = jnp.sum(stretch)
        enclosed = surface.volume(psi.value, grid)
        osmosis = self.pressure * enclosed
        if self.osmotic is not None:
            modulus, rest = self.osmotic
            osmosis = osmosis + 0.5 * modulus * (enclosed + conserved.drained - rest) ** 2 / rest
        bending = spectral.total(self.bending_density(psi, fields)) * cell
        return Terms(bending, spectral.total(self.weight(psi) * composition) * cell, stretch, osmosis)

    def flat_bending(self, fields):
        """(kappa/2) c0^2 in pN/nm: bending energy of a flat membrane of this composition, per area."""
        return 0.5 * self.mixed(self.bending_rigidity, fields[0]) * self.preferred_curvature(fields) ** 2

    def _cost_of_drawing(self, area, conserved: Conserved):
        """What the area of the membrane with a reserve has cost since the start, pN nm."""
        own = jnp.asarray(self.reservoir.fields, area.dtype)
        brought = self.mixture.density(self.named(own)) + self.flat_bending(own)
        cost = (self.reservoir.tension - brought) * conserved.drawn(area, self.reservoir)[0]
        if self.reservoir.stretching is None:
            return cost
        strain = conserved.overstretch(area)
        return cost + conserved.most * (self.reservoir.stretching.work(strain) - brought * strain)

    def free_energy(self, psi, fields, conserved: Conserved):
        """F in pN nm.

        Arguments:
            psi: the phase field, (n_z, n_y, n_x).
            fields: the fields on the membrane, as :meth:`separate` takes them. They are first corrected so that every
                membrane has the content in ``conserved``.
            conserved: what each membrane keeps.
        """
        near = surface.derivatives(psi, self.grid)
        return sum(self.terms(near, self.corrected(near, fields, conserved), conserved))

    def shape_derivative(self, psi: Derivatives, fields, conserved: Conserved):
        """F (pN nm), dF/dpsi per volume (pN/nm^2, (n_z, n_y, n_x)), and the corrected fields as a tuple.

        dF/dpsi is the exact derivative of the discrete energy, at the corrected fields. It equals the derivative of
        F - sum_i mu_i (int chi_i W X - held_i) at fixed X. held_i is what membrane or patch i has to hold at its area,
        and mu_i is the chemical potential of a species on it.
        """
        cell, weight = self.grid.cell_volume, self.weight(psi)
        fields = self._corrected(psi, weight, self.separate(fields), conserved)
        composition = self._composition(fields, self._gradient_square(fields[0], conserved))
        potential = self._potentials(psi, weight, fields, conserved)
        price = sum(conserved.spread(mu) * field for mu, field in zip(potential, fields, strict=True))
        # Multiplied and divided by W, because the compiler stores a quotient. It would compute a difference again at
        # each place where it is used.
        net = weight * (composition - price) / weight
        value = sum(self._terms(psi, fields, composition, conserved))
        priced = lambda near: (
            sum(self._terms(near, fields, net, conserved)) + jnp.sum(potential * self._held(near, conserved))
        )
        slope = jax.grad(priced)(psi)
        return value, surface.adjoint(slope, self.grid) / cell, fields

    def _potentials(self, psi: Derivatives, weight, fields, conserved: Conserved):
        """mu_i of every species, pN/nm, (species, parts).

        (dF/dbeta_i)/int chi_i W s of ceramide and cargo. That of phi is what remains of dF/dalpha_i when they are paid,
        over int chi_i W w.
        """
        follow, even = correction_shapes(self.mixture, fields)
        local = lambda fields: jnp.sum(
            weight * self._composition(fields, self._gradient_square(fields[0], conserved))
            + self.bending_density(psi, fields)
        )
        slopes = jax.grad(local)(fields)
        moved, even_content = (self._content(weight, shapes, conserved) for shapes in (follow, even))
        gained = self._content(1.0, [slope * s for slope, s in zip(slopes, even, strict=True)], conserved)
        walls = sum(slope * w for slope, w in zip(slopes, follow, strict=True))
        mu = over(gained, even_content)
        others = jnp.sum(mu[1:] * moved[1:], 0)
        return mu.at[0].set(over(self._content(1.0, [walls], conserved)[0] - others, moved[0]))

    def chemical_potential(self, psi: Derivatives, fields, conserved: Conserved, name: str = "phi"):
        """Chemical potential mu = (dF/dX)/W of the species ``name``, per area, pN/nm, (n_z, n_y, n_x)."""
        fields, i = self.separate(fields), self.species.index(name)
        energy = lambda field: sum(self.terms(psi, (*fields[:i], field, *fields[i + 1 :]), conserved))
        return jax.grad(energy)(fields[i]) / (self.weight(psi) * self.grid.cell_volume)

    def stiff_modes(self, psi: Derivatives, conserved: Conserved):
        """What is nearly conserved: the area of each membrane, and the volume if there is osmosis.

        Returns their functional derivatives a_i with respect to psi, (n, n_z, n_y, n_x), and their moduli k_i, (n,):
        K_A/A0 and K_V/V0. The stiff part of the second variation of F is k_i a_i a_i.
        """
        stretch = surface.area_variation(psi, self.interface_width) * conserved.regions(self.grid.dtype)
        moduli = self.area_modulus / conserved.area
        if self.reservoir is not None:
            # An area at rest tension is not held. It takes part like a membrane whose modulus is the tension, which
            # hardly holds it.
            area = self.areas(psi, conserved)
            moduli = moduli.at[0].set(self.reservoir.tension / area[0])
            if self.reservoir.stretching is not None:
                strain = conserved.overstretch(area)
                stiff = self.reservoir.stretching.slope(strain) / conserved.most
                moduli = moduli.at[0].set(jnp.where(strain > 0, stiff, moduli[0]))
        if self.osmotic is None:
            return stretch, moduli
        modulus, rest = self.osmotic
        enclosed = surface.volume_variation(psi.value)[None]
        return jnp.concatenate([stretch, enclosed]), jnp.append(moduli, jnp.asarray(modulus / rest, moduli.dtype))

    def stretch_tension(self, psi: Derivatives, conserved: Conserved):
        """What the area of each membrane costs beside the energies of bending and of composition, pN/nm, (membranes,).

        K_A (A_i - A0_i)/A0_i; for the membrane with a reserve sigma - (kappa/2) c0_r^2.
        """
        area = self.areas(psi, conserved)
        tension = self.area_modulus * (area - conserved.area) / conserved.area
        if self.reservoir is None:
            return tension
        held = jnp.asarray(self.reservoir.tension, area.dtype)
        if self.reservoir.stretching is not None:
            strain = conserved.overstretch(area)
            held = jnp.where(strain > 0, self.reservoir.stretching.tension(strain), held)
        return tension.at[0].set(held - self.flat_bending(jnp.asarray(self.reservoir.fields, area.dtype)))

    def tension(self, psi: Derivatives, fields, conserved: Conserved):
        """sigma, what an area of flat host costs in all, pN/nm, for each membrane, (membranes,).

        It is :meth:`stretch_tension` and the bending energy (kappa/2) c0^2 of flat host: of the membrane in reserve, or
        without one of Ld with the mean fractions that the Ld of the largest limiting membrane has.
        """
        stretch = self.stretch_tension(psi, conserved)
        if self.reservoir is not None:
            return stretch + self.flat_bending(jnp.asarray(self.reservoir.fields, stretch.dtype))
        fields, region = self.separate(fields), conserved.regions(self.grid.dtype)[0]
        ld = region * self.weight(psi) * (1 - lo_order(fields[0]))
        whole = jnp.maximum(spectral.total(ld), jnp.finfo(self.grid.dtype).tiny)
        means = [spectral.total(ld * field) / whole for field in fields[1:]]
        return stretch + self.flat_bending(jnp.stack([-jnp.ones((), self.grid.dtype), *means]))
