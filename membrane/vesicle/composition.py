"""What moves on the membrane: transport of every species, reactions, and extension of the fields along normals.

    W dX/dt = div(W M grad mu) + W R,    mu = (dF/dX)/W.

X is a field of the box and W the weight that confines it to the membrane (:mod:`membrane.vesicle.energy`). The mobility
M is D/(2 b) for phi, D c (1 - c) a_c/kT for ceramide, and D u_i u_0 a_1/kT for cargo (n-fold for n-mers). The reactions
R are those of the sheet.

This is a diffuse-interface surface equation (Raetz & Voigt 2006, Commun. Math. Sci. 4:575). Its difference from the
equation on the surface decreases with eps^2. The discrete div and grad are adjoint, so int W X of each closed membrane
is conserved up to rounding.
"""

from dataclasses import KW_ONLY

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.sparse.linalg import bicgstab, cg

from membrane.energy.cargo import MONOMER, OLIGOMER
from membrane.lattice import slabs
from membrane.lattice.grid import Grid
from membrane.vesicle import surface
from membrane.vesicle.conserved import Conserved, as_field
from membrane.vesicle.energy import Membrane

SWEEP = 0.12
"""Square of the diffusion length of one sweep of :func:`extended`, over the spacing squared.

Above about 0.18 a sweep is unstable.
"""


def faces(field, conserved: Conserved) -> list:
    """The mean of a field on the faces between neighbouring points.

    Returns a pair (behind, ahead) for each axis: the faces towards the point before and towards the next, each
    (n_z, n_y, n_x). It is zero on faces between the regions of two membranes.
    """
    ahead = [0.5 * (field + jnp.roll(field, -1, axis)) * conserved.same_membrane(axis) for axis in range(3)]
    return [(jnp.roll(face, 1, axis), face) for axis, face in enumerate(ahead)]


def stiffness(field, weights, grid: Grid):
    """-div(W grad field) at each point, with W given on the faces as :func:`faces` returns it.

    As an operator it is symmetric and has no negative eigenvalue. The sum of the result over all points is zero.
    """

    def slab(field, weights):
        wide, total = slabs.ghosted(field, grid.devices), 0.0
        for axis, ((behind, ahead), h) in enumerate(zip(weights, grid.spacing, strict=True)):
            inward = behind * (field - slabs.beside(wide, axis, -1))
            total = total + (inward - ahead * (slabs.beside(wide, axis, 1) - field)) / h**2
        return total

    return slabs.on_slabs(slab, grid.devices)(field, weights)


def extended(fields, psi: surface.Derivatives, weight, conserved: Conserved, grid: Grid, amount):
    """One sweep of diffusion along normals n of the membrane, which makes the fields constant along them.

        X + amount SWEEP h^2 (1/W) div(W n (n . grad X))

    It conserves int W X. Per nm^2 of diffusion, differences along a normal decay at a rate of 3/(2 eps^2) on the
    membrane, and values spread outwards at a speed of 2 sqrt2/eps outside it. It is the mean of forward and of backward
    differences, each with its own adjoint.

    Arguments:
        fields: tuple of fields X, each (n_z, n_y, n_x).
        psi: the phase field and its derivatives.
        weight: W, 1/nm, (n_z, n_y, n_x).
        conserved: tells which points belong to the same membrane.
        grid: the box; h is its smallest spacing.
        amount: a number from 0 to 1.
    """
    normal = psi.gradient / psi.slope
    leg = lambda axis, side: conserved.same_membrane(axis, side) * normal[axis] / grid.spacing[axis]
    # For a single membrane both are the same.
    legs = [[leg(axis, side) for axis in range(3)] for side in ((-1,) if conserved.count == 1 else (-1, 1))]
    unit, none, one = np.eye(3, dtype=int), np.zeros(3, int), np.ones(3, int)

    def slab(fields, weight, legs, amount):
        shape, ghosted = weight.shape, lambda field: slabs.ghosted(field, grid.devices)
        legs, heavy = jax.tree.map(ghosted, legs), ghosted(weight)
        flows = jax.lax.optimization_barrier(jax.tree.map(lambda leg: heavy * leg, legs))
        # Differences are needed at one point more: forward ones behind the first, backward ones beyond the last.
        more = np.add(shape, 1)

        def swept(field):
            wide, forward, backward = ghosted(field), 0.0, 0.0
            for ahead, behind, e in zip(legs[0], legs[-1], unit, strict=True):
                low, high = slabs.window(wide, none, more), slabs.window(wide, one, more)
                forward = forward + slabs.window(ahead, none, more) * (slabs.window(wide, e, more) - low)
                backward = backward + slabs.window(behind, one, more) * (high - slabs.window(wide, one - e, more))
            forward, backward = jax.lax.optimization_barrier((forward, backward))
            change = 0.0
            for axis, (ahead, behind, e) in enumerate(zip(flows[0], flows[-1], unit, strict=True)):
                change = change + slabs.beside(ahead, axis, 0) * slabs.window(forward, one, shape)
                change = change - slabs.beside(ahead, axis, -1) * slabs.window(forward, one - e, shape)
                change = change + slabs.beside(behind, axis, 1) * slabs.window(backward, e, shape)
                change = change - slabs.beside(behind, axis, 0) * slabs.window(backward, none, shape)
            return field + (0.5 * SWEEP * min(grid.spacing) ** 2) * amount * change / weight

        return tuple(swept(field) for field in fields)

    return slabs.on_slabs(slab, grid.devices)(tuple(fields), weight, legs, amount)


class Transport(eqx.Module):
    """Transport of all species on a membrane that is at rest.

    Arguments:
        diffusion: D in nm^2/s: one number for all species, or a pair (in Ld, in Lo) for each species by name.
        tolerance: relative residual at which the linear solver stops. The residual is an error in time. It does not
            change the total amount of a species.
        iterations: largest number of iterations of the solver.

    >>> Transport({"phi": (1e6, 3e5)}).coefficient("phi")
    (1000000.0, 300000.0)
    """

    diffusion: float | dict[str, tuple[float, float]]
    _: KW_ONLY
    tolerance: float = 1e-2
    iterations: int = eqx.field(static=True, default=60)

    def step(self, membrane: Membrane, psi: surface.Derivatives, fields, conserved: Conserved, dt):
        """The fields (species, n_z, n_y, n_x) after ``dt`` seconds of transport, without reactions.

        The species move one after another, each with the chemical potentials that result from the one before. Each
        makes a semi-implicit step, of first order in dt, in which F falls.
        """
        fields = list(membrane.separate(fields))
        weight = membrane.weight(psi)
        fields[0] = fields[0] + self._lipids(membrane, psi, fields, conserved, weight, dt)
        for i, name in enumerate(membrane.species[1:], 1):
            fields[i] = fields[i] + self._dissolved(membrane, psi, fields, conserved, weight, name, dt)
        return jnp.stack(fields)

    def coefficient(self, name: str) -> tuple[float, float]:
        """D of a species in Ld and in Lo, nm^2/s. Raises ValueError if it is not given."""
        if not isinstance(self.diffusion, dict):
            return self.diffusion, self.diffusion
        if name not in self.diffusion:
            raise ValueError(f"no diffusion coefficient for {name!r}, only for {sorted(self.diffusion)}; add it")
        return self.diffusion[name]

    def _mobility_on_faces(self, weight, mobility, conserved: Conserved):
        """W M on the faces: the mean of W times the mean of M."""
        return jax.tree.map(jnp.multiply, faces(weight, conserved), faces(mobility, conserved))

    def _lipids(self, membrane, psi, fields, conserved, weight, dt):
        """The change x of phi in ``dt`` seconds.

        With S = -div W grad, S_M = -div W M grad and a stabiliser a >= f''/2 (Eyre 1998; Shen & Yang 2010, Discrete
        Contin. Dyn. Syst. 28:1669) it solves

            [W/dt + S_M (K W^-1 S + a)] x = -S_M mu,

        so F falls for every dt. If M is the same everywhere, the operator is symmetric and positive, and it is
        solved by conjugate gradients. Otherwise the stabilised bi-conjugate gradients (BiCGSTAB) solve it. With the
        preconditioner 1/W both keep int W x = 0 in every iteration.
        """
        grid, lipids = membrane.grid, membrane.lipids
        ld, lo = self.coefficient("phi")
        weight_on_faces = faces(weight, conserved)
        moving = self._mobility_on_faces(
            weight, membrane.mixture.mobility("phi", {"phi": fields[0]}, (ld, lo)), conserved
        )
        transport = lambda x: stiffness(x, moving, grid)  # S_M
        laplace = lambda x: stiffness(x, weight_on_faces, grid)  # S
        mu, steepness = _potential(membrane, psi, fields, conserved, "phi")
        coupled = steepness - lipids.well * (3 * fields[0] ** 2 - 1)
        stabiliser = 1.5 * lipids.well + jnp.max(jnp.abs(coupled))
        stiffened = lambda x: lipids.gradient * laplace(x) / weight + stabiliser * x
        operator = lambda x: weight * x / dt + transport(stiffened(x))
        solve = cg if ld == lo else bicgstab
        return solve(operator, -transport(mu), tol=self.tolerance, maxiter=self.iterations, M=lambda r: r / weight)[0]

    def _dissolved(self, membrane, psi, fields, conserved, weight, name, dt):
        """The change x of ceramide or cargo in ``dt`` seconds.

        Let S_M = -div W M grad and h = d mu/dX at each point. The chemical potential at the end of the step, mu + z,
        solves [W/h + dt S_M] z = -dt S_M mu, whose operator is symmetric and positive. The change is x = z/h. It has
        int W x = 0, and F falls if h nowhere more than doubles in the step. h is therefore made larger where mu, at a
        point or beside it, is more than kT/4 per site (or per n-mer) away from its mean, so that |x| < c (1 - c)/2.
        This happens far from the middle of the membrane, where the curvature is extreme.

        What the solver leaves of int W x is taken back in proportion to M, for each membrane. The flux form
        -dt W^-1 S_M (mu + z) would conserve by itself. But it divides the residual by W, and where W is small that
        would drive X below 0 or above 1.
        """
        grid = membrane.grid
        mu, steepness = _potential(membrane, psi, fields, conserved, name)
        part, named = membrane.mixture.part(name), membrane.named(fields)
        mobility = part.mobility(name, named)
        far = jnp.abs(mu - jnp.sum(weight * mu) / jnp.sum(weight))
        for axis in range(3):
            far = jnp.maximum(far, jnp.maximum(jnp.roll(far, 1, axis), jnp.roll(far, -1, axis)))
        steepness = steepness * jnp.maximum(1, 4 * part.sites(name) * far)
        moving = self._mobility_on_faces(
            weight, membrane.mixture.mobility(name, named, self.coefficient(name)), conserved
        )
        transport = lambda x: stiffness(x, moving, grid)  # S_M
        inertia = weight / steepness
        around = sum((behind + ahead) / h**2 for (behind, ahead), h in zip(moving, grid.spacing, strict=True))
        change = self._solve(lambda z: inertia * z + dt * transport(z), -dt * transport(mu), inertia + dt * around)
        moved = change / steepness
        surplus = membrane.content_change(psi, [moved], conserved) / membrane.content_change(psi, [mobility], conserved)
        return moved - as_field(surplus[0], conserved.regions(membrane.grid.dtype)) * mobility

    def _solve(self, operator, right, diagonal):
        """z with operator(z) = right, by conjugate gradients preconditioned with 1/diagonal."""
        return cg(operator, right, tol=self.tolerance, maxiter=self.iterations, M=lambda r: r / diagonal)[0]


def _potential(membrane: Membrane, psi, fields, conserved: Conserved, name: str):
    """mu of a species and d mu/dX at each point, without that of gradient terms; both (n_z, n_y, n_x)."""
    i = membrane.species.index(name)
    mu = lambda field: membrane.chemical_potential(psi, (*fields[:i], field, *fields[i + 1 :]), conserved, name)
    return jax.jvp(mu, (fields[i],), (jnp.ones_like(fields[i]),))


def reacted(membrane: Membrane, psi: surface.Derivatives, fields, conserved: Conserved, dt):
    """The fields (species, n_z, n_y, n_x), and what each membrane keeps, after ``dt`` seconds of reactions.

    The reactions of ceramide are active and are taken explicitly. n monomers and one n-mer exchange at a rate R that
    follows from their full chemical potentials, curvature included. The extent x of this reaction is implicit to first
    order, x = dt R/(1 - dt dR/dx), and at most half of what there is reacts. Far from the middle of the membrane the
    curvature is extreme; there the difference of the potentials is limited to 60 kT per n-mer.
    """
    named = membrane.named(membrane.separate(fields))
    change = {}
    if membrane.ceramide is not None:
        change |= {name: dt * rate for name, rate in membrane.ceramide.reaction(named).items()}
    if membrane.mixture.has_oligomers:

        def rate(extent):
            now = named | {MONOMER: named[MONOMER] - extent, OLIGOMER: named[OLIGOMER] + extent}
            mu = {name: membrane.chemical_potential(psi, now.values(), conserved, name) for name in (MONOMER, OLIGOMER)}
            most = 60 / membrane.cargo.sites(OLIGOMER)
            mu[OLIGOMER] = mu[MONOMER] - jnp.clip(mu[MONOMER] - mu[OLIGOMER], -most, most)
            return membrane.cargo.reaction(now, mu)[OLIGOMER]

        none = jnp.zeros_like(named["phi"])
        forward, slope = jax.jvp(rate, (none,), (jnp.ones_like(none),))
        least, most = (0.5 * jnp.maximum(named[name], 0) for name in (OLIGOMER, MONOMER))
        extent = jnp.clip(dt * forward / (1 + dt * jnp.maximum(-slope, 0)), -least, most)
        change |= {MONOMER: -extent, OLIGOMER: extent}
    fields = jnp.stack([named[name] + change.get(name, 0) for name in membrane.species])
    if not change:
        return fields, conserved
    change = [change.get(name, jnp.zeros_like(named["phi"])) for name in membrane.species]
    content = conserved.content + membrane.content_change(psi, change, conserved)
    return fields, eqx.tree_at(lambda b: b.content, conserved, content)
