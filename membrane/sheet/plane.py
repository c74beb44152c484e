"""The Sheet: conserved fields on the limiting membrane, unrolled onto a periodic plane.

    dX_i/dt = div(M_i grad mu_i) - div(v X_i) + reaction_i + noise_i,     mu_i = dF/dX_i,
    v = curl Psi,  Psi_q = [curl sum_i (mu_i grad X_i)]_q / [q^2 (eta_m q^2 + (eta_cyt + eta_lum) q)].

F is the free energy of membrane.energy; every mu is its automatic derivative. Composition-dependent mobilities use a
finite-volume flux whose gradient and divergence are adjoint, so that the discrete energy falls exactly as the
continuous one; a single field of constant mobility without flow is diagonal and treated spectrally.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from membrane.energy import Helfrich, Mixture
from membrane.energy.cargo import MONOMER, OLIGOMER
from membrane.energy.ceramide import CYTOSOLIC, LUMINAL
from membrane.lattice import fft, spectral
from membrane.lattice.grid import Grid
from membrane.lattice.spectral import X, Y
from membrane.sheet.agitation import ThermalFlow
from membrane.sheet.hydrodynamics import MembraneFlow
from membrane.sheet.model import AbstractModel, State
from membrane.sheet.noise import FilteredNoise


class Sheet(AbstractModel):
    """A periodic plane of membrane with one to five fields.

    ``diffusion`` maps each species to (D in Ld, D in Lo), nm^2/s; ``mean_fields`` to its initial mean. Mobilities are
    D/(2b) for phi and D c(1-c) a/kT and its like for lattice fields. ``initial_noise`` is the standard deviation of
    the white noise that phi starts from.
    """

    grid: Grid = eqx.field(static=True)
    mixture: Mixture
    diffusion: dict[str, tuple[float, float]]
    mean_fields: dict[str, float]
    helfrich: Helfrich | None
    flow: MembraneFlow | None
    noise: FilteredNoise | None
    thermal_flow: ThermalFlow | None
    initial_noise: float
    exchange: tuple[float, float]

    def __init__(
        self,
        grid: Grid,
        *,
        mixture: Mixture,
        diffusion: dict[str, tuple[float, float]],
        mean_fields: dict[str, float],
        helfrich: Helfrich | None = None,
        flow: MembraneFlow | None = None,
        noise: FilteredNoise | None = None,
        thermal_flow: ThermalFlow | None = None,
        initial_noise: float = 0.02,
    ):
        for name, given in (("diffusion", diffusion), ("mean_fields", mean_fields)):
            if set(given) != set(mixture.species):
                raise ValueError(f"{name} names {sorted(given)}, but the species of this sheet are {mixture.species}")
        self.grid, self.mixture, self.helfrich = grid, mixture, helfrich
        self.diffusion, self.mean_fields = diffusion, mean_fields
        self.flow, self.noise, self.thermal_flow, self.initial_noise = flow, noise, thermal_flow, initial_noise
        self.exchange = self._exchange_rates()

    # Fields ----------------------------------------------------------------------------------------------------

    @property
    def species(self) -> tuple[str, ...]:
        """Names of the fields in their order; the first is phi."""
        return self.mixture.species

    def named(self, fields) -> dict:
        """The fields by name."""
        return self.mixture.named(fields)

    def initial_state(self, key, step_ticks: int) -> State:
        """Means plus small white noise in phi; totals are those of ``mean_fields`` to rounding. ``key``:
        jax.random.key."""
        start, run = jax.random.split(key)
        shape, real = self.grid.shape, self.grid.dtype
        ripple = jax.random.normal(start, shape, real) * jnp.asarray(self.initial_noise, real)
        fields = jnp.stack([jnp.full(shape, self.mean_fields[name], real) for name in self.species])
        return self.state_of(fields.at[0].add(ripple - jnp.mean(ripple)), run, step_ticks)

    def state_of(self, fields, key, step_ticks: int, tick: int = 0) -> State:
        """A state of given fields (species, n_y, n_x) without history."""
        hat = jnp.zeros((len(self.species), *self.grid.spectral_shape), self.grid.complex_dtype)
        block = jnp.zeros(self.noise.shape if self.noise is not None else (0, 0), self.grid.complex_dtype)
        integer = lambda n: jnp.asarray(n, jnp.int32)
        combinations = jax.eval_shape(self.projected, hat)
        return State(
            fields=fields,
            increment_hat=hat,
            rate_hat=hat,
            wiener=block,
            tick=integer(tick),
            step_ticks=integer(step_ticks),
            history_ticks=integer(0),
            key=key,
            projected_hat=jnp.zeros(combinations.shape, combinations.dtype),
            reacted=jnp.zeros(len(self.species), self.grid.dtype),
            chunk_steps=integer(0),
        )

    # Energy ----------------------------------------------------------------------------------------------------

    def free_energy(self, fields):
        """F in pN nm: local densities, gradient energy and relaxed bending, with the operators of the scheme itself."""
        named, k2 = self.named(fields), self._constant(self.grid.k2)
        energy = jnp.sum(self.mixture.density(named)) * self.grid.cell_area
        gradient = 0.5 * self.mixture.lipids.gradient * self._constant(self._gradient_symbol)
        energy = energy + spectral.quadratic_form(gradient, fft.forward(named["phi"]), self.grid)
        if self.helfrich is not None:
            c0_hat = fft.forward(self.helfrich.spontaneous_curvature(named))
            energy = energy + spectral.quadratic_form(0.5 * self.helfrich.stiffness(k2), c0_hat, self.grid)
        return energy

    def local_potentials(self, named) -> dict:
        """Derivatives of the local densities, pN/nm, by automatic differentiation."""
        return jax.grad(lambda f: jnp.sum(self.mixture.density(f)))(named)

    def chemical_potentials(self, named, projected_hat) -> dict:
        """dF/dX_i per area in pN/nm, by name, for the finite-volume scheme; ``projected_hat``: transform of
        :meth:`projected`."""
        mu = self.local_potentials(named)
        mu["phi"] = mu["phi"] - self.mixture.lipids.gradient * spectral.laplacian(named["phi"], self.grid.spacing)
        if self.helfrich is not None:
            stiffness = self.helfrich.stiffness(self._constant(self.grid.k2))
            bending = fft.inverse(stiffness * projected_hat[0], self.grid.shape)
            (coupling,) = jax.vjp(self.helfrich.spontaneous_curvature, named)[1](bending)
            mu = {name: mu[name] + coupling[name] for name in mu}
        return mu

    def height(self, fields):
        """Relaxed height in nm, positive toward the cytosol, (n_y, n_x); its mean is zero."""
        if self.helfrich is None:
            return jnp.zeros(self.grid.shape, self.grid.dtype)
        c0_hat = fft.forward(self.helfrich.spontaneous_curvature(self.named(fields)))
        factor = self.helfrich.height_per_curvature(self._constant(self.grid.k2))
        return fft.inverse(factor * c0_hat, self.grid.shape)

    # Rates -----------------------------------------------------------------------------------------------------

    @property
    def is_diagonal(self) -> bool:
        """One field of constant mobility, no flow: the whole transport is diagonal in Fourier space."""
        ld, lo = self.diffusion["phi"]
        return len(self.species) == 1 and self.flow is None and ld == lo

    def rates(self, fields, projected_hat):
        """Transform of dX/dt (1/s) and the largest advection rate |v_x|/dx + |v_y|/dy (1/s)."""
        if self.is_diagonal:
            return self._diagonal_rates(fields, projected_hat[0]), jnp.zeros((), self.grid.dtype)
        named = self.named(fields)
        mu = self.chemical_potentials(named, projected_hat)
        near, near_mu = spectral.ghosted(fields), {name: spectral.ghosted(mu[name]) for name in self.species}
        velocity = self._velocity(near, near_mu)
        rate = []
        for i, name in enumerate(self.species):
            change = 0.0
            for direction, (axis, other, h) in enumerate(((Y, X, self.grid.spacing[0]), (X, Y, self.grid.spacing[1]))):
                beside = spectral.trimmed(near, other)
                slope = spectral.difference(spectral.trimmed(near_mu[name], other), axis, h)
                mobility = self.mixture.mobility(name, self.named(beside), self.diffusion[name])
                flux = -spectral.mean(mobility, axis) * slope
                if velocity:
                    flux = flux + velocity[direction] * spectral.mean(beside[i], axis)
                change = change - spectral.difference(flux, axis, h)
            rate.append(change)
        reaction = self._reactions(named, mu)
        rate = [r + reaction[name] if name in reaction else r for name, r in zip(self.species, rate, strict=True)]
        rate_hat = fft.forward(jnp.stack(rate))
        # Transport keeps every total: only reactions may move the mean, whatever the rounding.
        zero = jnp.zeros((), fields.dtype)
        total = jnp.stack([jnp.sum(reaction[name]) if name in reaction else zero for name in self.species])
        rate_hat = rate_hat.at[:, 0, 0].set(total.astype(rate_hat.dtype))
        if not velocity:
            return rate_hat, zero
        (hy, hx), (v_y, v_x) = self.grid.spacing, velocity
        advection = jnp.max(jnp.abs(v_y[1:]) / hy + jnp.abs(v_x[:, 1:]) / hx)
        return rate_hat, advection

    def projected(self, fields):
        """The linear combinations of the fields (or their transforms) whose transforms the rates need: phi or c0 -
        offset."""
        if self.is_diagonal or self.helfrich is None:
            return fields[:1]
        named = self.named(fields)
        return sum((c * named[name] for name, c in self.helfrich.coefficients.items()), 0.0 * named["phi"])[None]

    def implicit_solve(self, right_hat, shift):
        """Solve (shift + L) x = right_hat; L stabilises, couples monomers with n-mers, and is zero at q = 0.

        The two-step scheme is stable for L >= 3/4 of the stiffest rate less 2/3 of the shift; what L exceeds the
        true rate by, is error. Where it suffices L is the rate of what moves: that of a tanh wall, M (K q^2 - b/2)
        q^2, without noise, and that of the fluctuating bulk, M (K q^2 + 2 b) q^2, with noise, whose variance it keeps.
        """
        moving, stiffest, others = (self._constant(part) for part in self._stabilisation)
        phi = jnp.maximum(jnp.maximum(moving, -0.1 * shift), 0.75 * stiffest - 0.53 * shift)
        denominator = shift + jnp.concatenate([phi[None], others])
        solution = right_hat / denominator
        if not self.mixture.has_oligomers:
            return solution
        forward, backward = self.exchange
        i, j = self.species.index(MONOMER), self.species.index(OLIGOMER)
        a, b = denominator[i] + forward, denominator[j] + backward
        determinant = a * b - forward * backward
        solution = solution.at[i].set((b * right_hat[i] + backward * right_hat[j]) / determinant)
        return solution.at[j].set((a * right_hat[j] + forward * right_hat[i]) / determinant)

    def wiener_increment(self, key, dt):
        """Compact increment over dt of the conserved noise of phi: 2 kT M q^2 per time, at the mean mobility."""
        noise = self.noise
        symbol = sum(
            k**2 if self.is_diagonal else (2 * np.sin(k * h / 2) / h) ** 2 for k, h in zip(noise.k, self.grid.spacing)
        )
        variance = 2 * noise.thermal_energy / self.grid.cell_area * self._mean_mobility * self._constant(symbol)
        return noise.draw(key) * jnp.sqrt(variance * dt)

    def add_noise(self, rates_hat, block):
        """Adds the noise of phi to the transform of the rates."""
        return rates_hat.at[0].add(self.noise.embed(block))

    def agitate(self, fields, projected_hat, key, tick):
        """Every ``thermal_flow.interval_ticks``: all fields carried along a random area-preserving displacement.

        Returns (fields, transform of their projection).
        """
        thermal = self.thermal_flow
        if thermal is None:
            return fields, projected_hat

        def move(fields, _):
            moved = thermal.carry(fields, thermal.displacement(jax.random.fold_in(key, 1)))
            return moved, fft.forward(self.projected(moved))

        stay = lambda fields, projected_hat: (fields, projected_hat)
        return jax.lax.cond(tick % thermal.interval_ticks == 0, move, stay, fields, projected_hat)

    def resolved(self, fields_hat):
        """The modes on which the error of a step is judged: all, or those below the noise filter."""
        if self.noise is None:
            return fields_hat
        return fields_hat * self._constant(self.grid.k2 < self.noise.cutoff**2)

    # Events ----------------------------------------------------------------------------------------------------

    def remove(self, state: State, mask, plug) -> State:
        """X <- (1 - mask) X + mask plug, with the scheme restarted: the one place that edits fields and history
        together.

        ``mask`` (n_y, n_x) in [0, 1]; ``plug`` (species,), the composition that fills the hole.
        """
        mask, plug = jnp.asarray(mask, self.grid.dtype), jnp.asarray(plug, self.grid.dtype)
        fields = (1 - mask) * state.fields + mask * plug[:, None, None]
        none = jnp.zeros_like(state.history_ticks)
        return eqx.tree_at(lambda s: (s.fields, s.history_ticks, s.chunk_steps), state, (fields, none, none))

    def observables(self, state: State) -> dict[str, float]:
        """Free energy (pN nm), structure-factor length (nm), time step (ticks) and mean fields."""
        means = np.asarray(state.fields, np.float64).mean(axis=(1, 2))
        return {
            "free_energy_pN_nm": float(self.free_energy(state.fields)),
            "structure_length_nm": spectral.characteristic_length(state.fields[0], self.grid),
            **{f"mean_{name}": float(m) for name, m in zip(self.species, means, strict=True)},
        }

    # Private ---------------------------------------------------------------------------------------------------

    def _constant(self, array):
        return jnp.asarray(array, self.grid.dtype)

    @property
    def _gradient_symbol(self) -> np.ndarray:
        """Minus the symbol of the Laplacian in use, 1/nm^2: k^2 (spectral) or that of :func:`spectral.laplacian`."""
        if self.is_diagonal:
            return self.grid.k2
        symbol = 0.0
        for k, h in zip(self.grid.k, self.grid.spacing, strict=True):
            c = [np.cos(m * k * h) for m in (1, 2, 3)]
            symbol = symbol + (49 / 18 - 3 * c[0] + 0.3 * c[1] - c[2] / 45) / h**2
        return symbol

    def _diagonal_rates(self, fields, phi_hat):
        k2 = self._constant(self.grid.k2)
        mu_hat = (
            fft.forward(self.local_potentials(self.named(fields))["phi"]) + self.mixture.lipids.gradient * k2 * phi_hat
        )
        if self.helfrich is not None:
            coupling = self.helfrich.coefficients.get("phi", 0.0)
            mu_hat = mu_hat + coupling**2 * self.helfrich.stiffness(k2) * phi_hat
        mobility = self.diffusion["phi"][0] / (2 * self.mixture.lipids.well)
        return (-mobility * k2 * mu_hat)[None]

    @property
    def _mean_mobility(self):
        """M of phi in nm^3/(pN s) at the mean composition, D being linear in the area share of Lo."""
        (ld, lo), share = self.diffusion["phi"], 0.5 * (1 + min(max(self.mean_fields["phi"], -1.0), 1.0))
        return (ld + (lo - ld) * share) / (2 * self.mixture.lipids.well)

    def _velocity(self, fields, potential):
        """Face velocities (v_y, v_x) in nm/s, discretely free of divergence; empty without flow. Arguments are
        ghosted."""
        if self.flow is None:
            return ()
        hy, hx = self.grid.spacing
        upper = [(fields[i, 1:, 1:], potential[name][1:, 1:]) for i, name in enumerate(self.species)]
        pull = lambda axis, h: sum(spectral.mean(f, axis) * spectral.difference(p, axis, h) for f, p in upper)
        curl = spectral.difference(pull(X, hx), Y, hy) - spectral.difference(pull(Y, hy), X, hx)
        stream_hat = self.flow.response(self._constant(self.grid.k2)) * fft.forward(curl)
        stream = spectral.ghosted(fft.inverse(stream_hat, self.grid.shape), 1, 0)
        return -spectral.difference(stream, X, hx), spectral.difference(stream, Y, hy)

    def _reactions(self, named, mu) -> dict:
        mixture = self.mixture
        rates = mixture.ceramide.reaction(named) if mixture.ceramide is not None else {}
        return rates | (mixture.cargo.reaction(named, mu) if mixture.has_oligomers else {})

    @property
    def _stabilisation(self) -> tuple:
        """Rates in 1/s: of the moving wall and the stiffest of phi, (n_y, k_x) each, and L of the others (species -
        1, n_y, k_x)."""
        k2, k = self.grid.k2, np.sqrt(self.grid.k2)
        well, gradient = self.mixture.lipids.well, self.mixture.lipids.gradient
        curvature = -0.5 * well if self.noise is None else 2 * well
        moving = self._mean_mobility * (gradient * k2**2 + curvature * k2)
        # f'' = b (3 phi^2 - 1) at |phi| = 1.2, which small and mixed domains reach.
        stiffest = max(self.diffusion["phi"]) / (2 * well) * (3.3 * well * k2 + gradient * k2**2)
        if self.flow is not None:
            stiffest = stiffest + 0.5 * well * k2 / np.where(k > 0, self.flow.drag(k), 1.0)
        # Crowding stiffens n-mers: D (u0 + n un) is bounded here by 4 D, three quarters of which suffice.
        factor = {CYTOSOLIC: 1.5, LUMINAL: 1.5, MONOMER: 1.5, OLIGOMER: 3.0}
        others = [factor[name] * max(self.diffusion[name]) * k2 for name in self.species[1:]]
        return moving, stiffest, np.reshape(others, (len(others), *k2.shape))

    def _exchange_rates(self) -> tuple[float, float]:
        """Linearised rates (monomer -> n-mer, back) in 1/s at the mean composition, tenfold enriched in Lo, for the
        implicit part."""
        if not self.mixture.has_oligomers:
            return 0.0, 0.0
        off, n = self.mixture.cargo.oligomers.dissociation_rate, self.mixture.cargo.oligomers.size
        u1, un = self.mean_fields[MONOMER], self.mean_fields[OLIGOMER]
        return float(10 * off * n * un / u1), float(off)
