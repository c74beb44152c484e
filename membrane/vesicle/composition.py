"""What moves on the membrane: conserved dynamics of every species, reactions, and extension along normals.

    W dX/dt = div(W M grad mu) + W R,    mu = dF/dX / W,
    M = D/(2b) of phi, D c(1-c) a_c/kT of ceramide, D u_i u_0 a_1/kT of cargo (n-fold for n-mers), R as on the Sheet.

The weight W = delta + floor confines transport to the membrane, and pulls what leaves it back onto it: a diffuse-
interface surface equation (Raetz & Voigt 2006, Commun. Math. Sci. 4:575) that tends to the one on the surface with
eps^2. Its discrete div and grad are adjoint, so int W X is conserved to rounding, separately for every vesicle.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.sparse.linalg import bicgstab, cg

from membrane.energy.cargo import MONOMER, OLIGOMER
from membrane.lattice import slabs
from membrane.lattice.grid import Grid
from membrane.vesicle import surface
from membrane.vesicle.energy import Conserved, Membrane, as_field

SWEEP = 0.12
"""Diffusion length squared of one sweep of :func:`extended` over spacing squared; above about 0.18 it is unstable."""


def faces(field, conserved: Conserved) -> list:
    """The mean of a field on the faces of every point, (behind, ahead) along each axis; none between the membranes of
    two vesicles."""
    ahead = [0.5 * (field + jnp.roll(field, -1, axis)) * conserved.same_membrane(axis) for axis in range(3)]
    return [(jnp.roll(face, 1, axis), face) for axis, face in enumerate(ahead)]


def stiffness(field, weights, grid: Grid):
    """-div(W grad field) with W on :func:`faces`, per point: symmetric, not negative, zero in sum."""

    def slab(field, weights):
        wide, total = slabs.ghosted(field, grid.devices), 0.0
        for axis, ((behind, ahead), h) in enumerate(zip(weights, grid.spacing, strict=True)):
            inward = behind * (field - slabs.beside(wide, axis, -1))
            total = total + (inward - ahead * (slabs.beside(wide, axis, 1) - field)) / h**2
        return total

    return slabs.on_slabs(slab, grid.devices)(field, weights)


def extended(fields, psi: surface.Derivatives, weight, conserved: Conserved, grid: Grid, amount):
    """One sweep of diffusion along normals only, (1/W) div(W n n.grad X) times ``amount`` SWEEP h^2, of every field.

    Conserves int W X and makes X constant along normals, at a rate of 3/(2 eps^2) per nm^2 of diffusion on the
    membrane and at a speed of 2 sqrt2/eps outside it. Taken with forward and with backward differences, each with its
    own adjoint.
    """
    normal = psi.gradient / psi.slope
    leg = lambda axis, side: conserved.same_membrane(axis, side) * normal[axis] / grid.spacing[axis]
    # Of one vesicle both are the same.
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
    """``diffusion`` D (nm^2/s): one for all, or a pair (in Ld, in Lo) for each species by name; ``tolerance`` and most
    ``iterations`` of the conjugate gradients. What they leave is an error in time, not in the total."""

    diffusion: float | dict[str, tuple[float, float]]
    tolerance: float = 1e-2
    iterations: int = eqx.field(static=True, default=60)

    def step(self, membrane: Membrane, psi: surface.Derivatives, fields, conserved: Conserved, dt):
        """Fields after ``dt`` seconds, the membrane at rest and without reactions; first order in dt.

        One species after another, each by a semi-implicit step in which F falls, with the potentials that the one
        before has left.
        """
        fields = list(membrane.separate(fields))
        weight = membrane.weight(psi)
        fields[0] = fields[0] + self._lipids(membrane, psi, fields, conserved, weight, dt)
        for i, name in enumerate(membrane.species[1:], 1):
            fields[i] = fields[i] + self._dissolved(membrane, psi, fields, conserved, weight, name, dt)
        return jnp.stack(fields)

    def coefficient(self, name: str) -> tuple[float, float]:
        """D in Ld and in Lo, nm^2/s. Raises ValueError where it is not given."""
        if not isinstance(self.diffusion, dict):
            return self.diffusion, self.diffusion
        if name not in self.diffusion:
            raise ValueError(f"no diffusion coefficient for {name!r}, only for {sorted(self.diffusion)}")
        return self.diffusion[name]

    def _mobile(self, weight, mobility, conserved: Conserved):
        """W M on :func:`faces`, of the means of both."""
        return jax.tree.map(jnp.multiply, faces(weight, conserved), faces(mobility, conserved))

    def _lipids(self, membrane, psi, fields, conserved, weight, dt):
        """Change of phi. With S = -div W grad and a stabiliser a >= f''/2 (Eyre 1998; Shen & Yang 2010, Discrete
        Contin. Dyn. Syst. 28:1669) it solves [W/dt + S_M (K W^-1 S + a)] x = -S_M mu: F falls for every dt. With one M
        it is symmetric and positive, and solved by conjugate gradients, else by their stabilised bi-conjugate kin;
        preconditioned with 1/W both conserve int W x = 0 in every iteration."""
        grid, lipids = membrane.grid, membrane.lipids
        ld, lo = self.coefficient("phi")
        resting = faces(weight, conserved)
        moving = self._mobile(weight, membrane.mixture.mobility("phi", {"phi": fields[0]}, (ld, lo)), conserved)
        carried = lambda x: stiffness(x, moving, grid)
        laplace = lambda x: stiffness(x, resting, grid)
        mu, steepness = _potential(membrane, psi, fields, conserved, "phi")
        coupled = steepness - lipids.well * (3 * fields[0] ** 2 - 1)
        stabiliser = 1.5 * lipids.well + jnp.max(jnp.abs(coupled))
        stiffened = lambda x: lipids.gradient * laplace(x) / weight + stabiliser * x
        operator = lambda x: weight * x / dt + carried(stiffened(x))
        solve = cg if ld == lo else bicgstab
        return solve(operator, -carried(mu), tol=self.tolerance, maxiter=self.iterations, M=lambda r: r / weight)[0]

    def _dissolved(self, membrane, psi, fields, conserved, weight, name, dt):
        """Change of a species on a lattice. With S_M = -div W M grad and h = d mu/dX, pointwise, the potential at the
        end of the step, mu + z, solves [W/h + dt S_M] z = -dt S_M mu, symmetric and positive; x = z/h has int W x = 0,
        and lowers F where no h more than doubles in the step. Hence h is larger where mu, here or beside, is more than
        kT/4 a site from its mean, so that |x| < c (1-c)/2: far from the membrane's middle curvature is extreme.

        What the solver leaves of int W x is taken back in proportion to M, for every vesicle. -dt W^-1 S_M (mu + z)
        would conserve by itself, but its residual over W drives X out of 0 to 1 where W is small."""
        grid = membrane.grid
        mu, steepness = _potential(membrane, psi, fields, conserved, name)
        part, named = membrane.mixture.part(name), membrane.named(fields)
        mobility = part.mobility(name, named)
        far = jnp.abs(mu - jnp.sum(weight * mu) / jnp.sum(weight))
        for axis in range(3):
            far = jnp.maximum(far, jnp.maximum(jnp.roll(far, 1, axis), jnp.roll(far, -1, axis)))
        steepness = steepness * jnp.maximum(1, 4 * part.sites(name) * far)
        moving = self._mobile(weight, membrane.mixture.mobility(name, named, self.coefficient(name)), conserved)
        laplace = lambda x: stiffness(x, moving, grid)
        inertia = weight / steepness
        around = sum((behind + ahead) / h**2 for (behind, ahead), h in zip(moving, grid.spacing, strict=True))
        change = self._solve(lambda z: inertia * z + dt * laplace(z), -dt * laplace(mu), inertia + dt * around)
        moved = change / steepness
        surplus = membrane.content_change(psi, [moved], conserved) / membrane.content_change(psi, [mobility], conserved)
        return moved - as_field(surplus[0], conserved.regions(membrane.grid.dtype)) * mobility

    def _solve(self, operator, right, diagonal):
        return cg(operator, right, tol=self.tolerance, maxiter=self.iterations, M=lambda r: r / diagonal)[0]


def _potential(membrane: Membrane, psi, fields, conserved: Conserved, name: str):
    """mu of a species and its local derivative d mu/dX (that of gradient terms left out), (n_z, n_y, n_x) each."""
    i = membrane.species.index(name)
    mu = lambda field: membrane.chemical_potential(psi, (*fields[:i], field, *fields[i + 1 :]), conserved, name)
    return jax.jvp(mu, (fields[i],), (jnp.ones_like(fields[i]),))


def reacted(membrane: Membrane, psi: surface.Derivatives, fields, conserved: Conserved, dt):
    """Fields and books after ``dt`` seconds of reactions.

    Ceramide's (active) terms are explicit. n monomers and one n-mer exchange at the rate of their full chemical
    potentials, curvature included, implicit to first order in the extent of the reaction: x = dt R/(1 - dt dR/dx), at
    most half of what there is. Far from the membrane's middle, where curvature is extreme, e^(+-60) is extreme enough.
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
