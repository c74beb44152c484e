"""The sheet: conserved fields on the limiting membrane of an endosome, unrolled onto a periodic plane.

    dX_i/dt = div(M_i grad mu_i) - div(v X_i) + reaction_i + noise_i,     mu_i = dF/dX_i,
    v = curl Psi,  Psi_q = [curl sum_i (mu_i grad X_i)]_q / [q^2 (eta_m q^2 + (eta_cyt + eta_lum) q)].

F is the free energy of membrane.energy, and every mu is its automatic derivative. Mobilities depend on composition. The
flux is therefore one of finite volumes, whose gradient and divergence are adjoint, so that the discrete energy falls as
the continuous one does. A single field of constant mobility without flow is treated spectrally.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from membrane.energy import Helfrich, Mixture
from membrane.energy.cargo import MONOMER, OLIGOMER
from membrane.energy.ceramide import CYTOSOLIC, LUMINAL
from membrane.energy.mixing import log_activity, logarithmic_mean
from membrane.lattice import fft, spectral
from membrane.lattice.grid import Grid
from membrane.lattice.spectral import X, Y
from membrane.sheet.agitation import ThermalFlow
from membrane.sheet.hydrodynamics import MembraneFlow
from membrane.sheet.noise import FilteredNoise
from membrane.sheet.state import SheetState


class Sheet(eqx.Module):
    """A periodic plane of membrane with one to five fields.

    Arguments:
        grid: the plane.
        mixture: the free energy of the lipids and of what is dissolved in them, and the mobilities.
        diffusion: D in Ld and in Lo of each species by name, in nm^2/s.
        mean_fields: mean of each field at the start, by name.
        helfrich: bending energy and tension; None for a plane that does not bend.
        flow: in-plane flow of the membrane; None without.
        noise: thermal noise of phi; None without.
        thermal_flow: thermal agitation of the flow; None without.
        initial_noise: standard deviation of the white noise that phi starts from.

    Raises ValueError where ``diffusion`` or ``mean_fields`` name other species than the mixture has.
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

    def initial_state(self, key, step_ticks: int) -> SheetState:
        """The mean fields with white noise in phi, which leaves its mean as it is, to rounding.

        Arguments:
            key: of all random numbers of this endosome, from jax.random.key.
            step_ticks: length of the first step.
        """
        start, run = jax.random.split(key)
        shape, real = self.grid.shape, self.grid.dtype
        ripple = jax.random.normal(start, shape, real) * jnp.asarray(self.initial_noise, real)
        fields = jnp.stack([jnp.full(shape, self.mean_fields[name], real) for name in self.species])
        return self.state_of(fields.at[0].add(ripple - jnp.mean(ripple)), run, step_ticks)

    def state_of(self, fields, key, step_ticks: int, tick: int = 0) -> SheetState:
        """The state of given fields (species, n_y, n_x), without a history of the scheme."""
        hat = jnp.zeros((len(self.species), *self.grid.spectral_shape), self.grid.complex_dtype)
        block = jnp.zeros(self.noise.shape if self.noise is not None else (0, 0), self.grid.complex_dtype)
        integer = lambda n: jnp.asarray(n, jnp.int32)
        combinations = jax.eval_shape(self.projected, hat)
        return SheetState(
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

    # One program, here and for the height: one for each operation would take seconds to compile.
    @eqx.filter_jit
    def free_energy(self, fields):
        """F in pN nm of fields (species, n_y, n_x), with the discrete operators of the scheme itself."""
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
        """dF/dX_i per area in pN/nm, by name, for the finite-volume scheme.

        Arguments:
            named: the fields by name.
            projected_hat: transform of :meth:`projected`.
        """
        mu = self.local_potentials(named)
        mu["phi"] = mu["phi"] - self.mixture.lipids.gradient * spectral.laplacian(named["phi"], self.grid.spacing)
        if self.helfrich is not None:
            stiffness = self.helfrich.stiffness(self._constant(self.grid.k2))
            bending = fft.inverse(stiffness * projected_hat[0], self.grid.shape)
            (coupling,) = jax.vjp(self.helfrich.spontaneous_curvature, named)[1](bending)
            mu = {name: mu[name] + coupling[name] for name in mu}
        return mu

    def with_tension(self, tension: float) -> "Sheet":
        """The same sheet at another tension (pN/nm). No program is compiled anew."""
        traced = jnp.asarray(tension, self.helfrich.tension.dtype)
        return eqx.tree_at(lambda sheet: sheet.helfrich.tension, self, traced)

    @eqx.filter_jit
    def height(self, fields):
        """The relaxed height (n_y, n_x) in nm, positive toward the cytosol; its mean is zero."""
        if self.helfrich is None:
            return jnp.zeros(self.grid.shape, self.grid.dtype)
        c0_hat = fft.forward(self.helfrich.spontaneous_curvature(self.named(fields)))
        factor = self.helfrich.height_per_curvature(self._constant(self.grid.k2))
        return fft.inverse(factor * c0_hat, self.grid.shape)

    # Rates -----------------------------------------------------------------------------------------------------

    @property
    def is_diagonal(self) -> bool:
        """Whether the transport is diagonal in Fourier space: one field, constant mobility, no flow."""
        ld, lo = self.diffusion["phi"]
        return len(self.species) == 1 and self.flow is None and ld == lo

    def rates(self, fields, projected_hat):
        """Transform of dX/dt (species, n_y, k_x) and the largest advection rate |v_x|/dx + |v_y|/dy, both in 1/s.

        Arguments:
            fields: (species, n_y, n_x).
            projected_hat: transform of :meth:`projected`.
        """
        if self.is_diagonal:
            return self._diagonal_rates(fields, projected_hat[0]), jnp.zeros((), self.grid.dtype)
        named = self.named(fields)
        mu = self.chemical_potentials(named, projected_hat)
        near, near_mu = spectral.ghosted(fields), {name: spectral.ghosted(mu[name]) for name in self.species}
        faces = {axis: self._on_faces(near, axis) for axis in (Y, X)}
        velocity = self._velocity(faces, near_mu)
        rate = []
        for i, name in enumerate(self.species):
            change = 0.0
            for direction, (axis, other, h) in enumerate(((Y, X, self.grid.spacing[0]), (X, Y, self.grid.spacing[1]))):
                beside = spectral.trimmed(faces[axis], other)
                slope = spectral.difference(spectral.trimmed(near_mu[name], other), axis, h)
                flux = -self.mixture.mobility(name, self.named(beside), self.diffusion[name]) * slope
                if velocity:
                    flux = flux + velocity[direction] * beside[i]
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
        """The linear combination of the fields whose transform :meth:`rates` needs, (1, n_y, n_x).

        It is c0 less its offset, or phi where the sheet is diagonal or does not bend. Being linear it may be taken of
        the transforms of the fields as well.
        """
        if self.is_diagonal or self.helfrich is None:
            return fields[:1]
        named = self.named(fields)
        return sum((c * named[name] for name, c in self.helfrich.coefficients.items()), 0.0 * named["phi"])[None]

    def implicit_solve(self, right_hat, shift):
        """Solve (shift + L) x = right_hat, where L stabilises the scheme.

        L is diagonal in Fourier space, except that it couples monomers with n-mers; at q = 0 it is zero. The two-step
        scheme is stable for L of at least 3/4 of the stiffest rate less 2/3 of the shift. The excess of L over the true
        rate is an error. Therefore L of phi is, wherever that suffices, the rate of what moves: without noise that of a
        tanh wall, M (K q^2 - b/2) q^2; with noise that of the fluctuating bulk, M (K q^2 + 2 b) q^2, which keeps the
        variance of the fluctuations.

        Arguments:
            right_hat: (species, n_y, k_x).
            shift: in 1/s.
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
        """Increment over ``dt`` (s) of the conserved noise of phi, a compact block; variance 2 kT M q^2 per time.

        M is the mobility at the mean composition.
        """
        noise = self.noise
        symbol = sum(
            k**2 if self.is_diagonal else (2 * np.sin(k * h / 2) / h) ** 2 for k, h in zip(noise.k, self.grid.spacing)
        )
        variance = 2 * noise.thermal_energy / self.grid.cell_area * self._mean_mobility * self._constant(symbol)
        return noise.draw(key) * jnp.sqrt(variance * dt)

    def add_noise(self, rates_hat, block):
        """``rates_hat`` plus the noise of phi, a compact ``block``."""
        return rates_hat.at[0].add(self.noise.embed(block))

    def agitate(self, fields, projected_hat, key, tick):
        """Every ``thermal_flow.interval_ticks`` a random displacement, which preserves area, carries all fields along.

        Returns the fields and the transform of :meth:`projected` of them; unchanged at other ticks.
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
        """Only those modes on which the error of a step is judged: all, or with noise those below its filter."""
        if self.noise is None:
            return fields_hat
        return fields_hat * self._constant(self.grid.k2 < self.noise.cutoff**2)

    # Events ----------------------------------------------------------------------------------------------------

    def replace(self, state: SheetState, mask, fields) -> SheetState:
        """X <- (1 - mask) X + mask fields, after which the scheme starts without a history.

        Arguments:
            mask: which part of the plane is replaced, (n_y, n_x) between 0 and 1.
            fields: what takes its place, (species, n_y, n_x), or (species,) where it is even.
        """
        mask, new = jnp.asarray(mask, self.grid.dtype), jnp.asarray(fields, self.grid.dtype)
        fields = (1 - mask) * state.fields + mask * (new[:, None, None] if new.ndim == 1 else new)
        none = jnp.zeros_like(state.history_ticks)
        return eqx.tree_at(lambda s: (s.fields, s.history_ticks, s.chunk_steps), state, (fields, none, none))

    def observables(self, state: SheetState) -> dict[str, float]:
        """For the time series: free energy (pN nm), length of the structure factor (nm), and the mean fields."""
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

    def _on_faces(self, near, axis):
        """Fields on the faces between cells along ``axis``: the mean of phi, the logarithmic mean of all fractions.

        With it u grad mu is D grad u of a dilute species exactly, and its osmotic force a gradient, which drives no
        flow. The ghost points of ``near``, (species, n_y + 2, n_x + 2), count as cells.
        """
        upper, lower = spectral.neighbours(near[1:], axis)
        activity = spectral.neighbours(log_activity(near[1:]), axis)
        faces = jnp.concatenate([spectral.mean(near[:1], axis), logarithmic_mean(upper, lower, *activity)])
        # Without the barrier a CPU would take each logarithm several times.
        return jax.lax.optimization_barrier(faces)

    def _velocity(self, faces, potential):
        """Velocities on faces (v_y, v_x) in nm/s, without divergence in the discrete sense; empty without flow.

        Arguments:
            faces: the fields on the faces along Y and along X, see :meth:`_on_faces`.
            potential: chemical potentials by name, with ghost points.
        """
        if self.flow is None:
            return ()
        hy, hx = self.grid.spacing
        upper = [potential[name][1:, 1:] for name in self.species]
        pull = lambda axis, h: sum(
            f[1:, 1:] * spectral.difference(p, axis, h) for f, p in zip(faces[axis], upper, strict=True)
        )
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
        """Rates in 1/s: of phi that of a moving wall and the stiffest one, (n_y, k_x) each, and L of all others,
        (species - 1, n_y, k_x)."""
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
        """Linearised rates in 1/s, from monomers to n-mers and back, for the implicit part.

        They are those of the mean composition, tenfold enriched, as it is in Lo.
        """
        if not self.mixture.has_oligomers:
            return 0.0, 0.0
        off, n = self.mixture.cargo.oligomers.dissociation_rate, self.mixture.cargo.oligomers.size
        u1, un = self.mean_fields[MONOMER], self.mean_fields[OLIGOMER]
        return float(10 * off * n * un / u1), float(off)


def content(fields, cell_area: float) -> np.ndarray:
    """Integral of each field (species, n_y, n_x) over the sheet, (species,) in nm^2, in float64."""
    return np.asarray(fields).sum(axis=(1, 2), dtype=np.float64) * cell_area
