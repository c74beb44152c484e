"""One endosome from step to step: its domains travel, grow, merge and bud, and enzymes work, in one compiled program.

A step lasts as long as no area and no content changes by more than a given share. In it

1. the compositions of host and domains are those of equilibrium at the present contents (membrane.energy.coexistence);
2. domains travel, until two of them touch, which ends the step;
3. domains grow or evaporate, and enzymes, turnover and flip-flop change the contents;
4. the bud law gives the rate of every domain, and its fate is drawn.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from membrane.energy import Helfrich, Mixture
from membrane.energy.cargo import MONOMER, OLIGOMER
from membrane.energy.coexistence import Coexistence, coexist, gibbs_thomson_length
from membrane.energy.fluctuation import covariance
from membrane.kinetics.chemistry import LEAFLETS, reacted, reaction_rates
from membrane.kinetics.fate import Fates, budding_probability, fates_of_open_buds
from membrane.kinetics.flow import Flow
from membrane.kinetics.growth import Growth
from membrane.kinetics.meeting import merged_place, travel
from membrane.kinetics.prospects import Situation, outdated, place_of, renewed
from membrane.kinetics.state import EndosomeState, cleared, merged

CARGO = "cargo"
"""Name of the content of all cargo, monomers and n-mers together."""

PROBE = 1e-6
"""Time in s over which the rate of reactions is measured."""

TYPICAL_AREA = np.pi * 50.0**2
"""Area in nm^2 of the domain for which the covariance of its composition is computed."""

LEAST_AREA = 300.0
"""Area in nm^2, a disc of twice the usual width of the wall, to which changes of smaller domains are compared."""


class Surroundings(NamedTuple):
    """What the budget of an endosome says while nothing leaves and nothing arrives.

    Attributes:
        host_radius: R in nm.
        size: diameters of vesicles in nm, ascending, (sizes,).
        log_tension: ln of the mean tension in pN/nm while a vesicle of each size forms, (sizes,).
        told: diameter in nm up to which these tell the tension.
        largest: diameter in nm of the largest vesicle for which there is membrane.
    """

    host_radius: Float[Array, ""]
    size: Float[Array, " sizes"]
    log_tension: Float[Array, " sizes"]
    told: Float[Array, ""]
    largest: Float[Array, ""]


class Departures(NamedTuple):
    """Domains that leave now, and what the law said of them; arrays (domains,).

    Attributes:
        leaves: which of them.
        aided: whether it took the scission aid.
        composition: mean of every species in the vesicle, (domains, species).
        barrier_kBT: the highest barrier on the way out.
        neck_radius_nm: of the bud.
        tension: at which the law was asked, in pN/nm.
        direction: +1 into the lumen, -1 away from it.
    """

    leaves: Bool[Array, " domains"]
    aided: Bool[Array, " domains"]
    composition: Float[Array, "domains species"]
    barrier_kBT: Float[Array, " domains"]
    neck_radius_nm: Float[Array, " domains"]
    tension: Float[Array, " domains"]
    direction: Float[Array, " domains"]


def asks_exact_law(state: EndosomeState):
    """Whether there is a domain of which the table does not tell the prospects."""
    return (state.prospects.unknown & state.present).any()


class Kinetics(eqx.Module):
    """The physics of an endosome with domains.

    Attributes:
        mixture: the free energy of the membrane, and the rates of ceramide.
        helfrich: bending energy.
        flow: the random flow of the membrane.
        law: the bud law as a function of (L, c0 of the domain, c0 of the host, tension, radius of the host), whose
            answer has the names of :class:`membrane.bud.landscape.BudAnswer`.
        area: of the membrane, in nm^2; constant.
        line_tension: of the rim, in pN.
        interface_width: xi of the wall, in nm.
        diffusion: D in Ld and in Lo of each species by name, in nm^2/s.
        thermal_energy: kT, in pN nm.
        aid_ticks: how long after the bud the scission aid comes, in ticks.
        tick_s: length of a tick, in s.
        longest: ticks of the longest step.
        tolerance: largest change of an area or a content in a step, relative to it.
        travel_step: see membrane.kinetics.meeting.STEP.
    """

    _: KW_ONLY
    mixture: Mixture
    helfrich: Helfrich
    flow: Flow
    law: Callable
    area: float
    line_tension: float
    interface_width: float
    diffusion: dict[str, tuple[float, float]]
    thermal_energy: float
    aid_ticks: int
    tick_s: float
    longest: int
    tolerance: float
    travel_step: float

    @property
    def conserved(self) -> tuple[str, ...]:
        """Names of the contents, in their order."""
        names = ["phi"]
        names += list(LEAFLETS) if self.mixture.ceramide is not None else []
        return tuple(names + ([CARGO] if self.mixture.cargo is not None else []))

    def content_of(self, composition):
        """Area fractions by conserved name, (conserved,), of a composition by species."""
        cargo = [composition[name] for name in (MONOMER, OLIGOMER) if name in composition]
        return jnp.stack([sum(cargo) if name == CARGO else composition[name] for name in self.conserved])

    def phases(self, content, areas, start: Coexistence | None = None, steps: int = 40) -> Coexistence:
        """The compositions of host and domains, for flat rims.

        Arguments:
            content: of the membrane, in nm^2, (conserved,).
            areas: of the domains, in nm^2, (domains,).
            start: as of `coexist`.
            steps: as of `coexist`.
        """
        area = areas.sum()
        number = jnp.maximum((areas > 0).sum(), 1)
        radius = jnp.where(area > 0, jnp.sqrt(area / number / jnp.pi), 10 * self.interface_width)
        named = dict(zip(self.conserved, content / self.area, strict=True))
        means = {name: named[name] for name in LEAFLETS if name in named}
        if CARGO in named:
            split = 0.5 if self.mixture.has_oligomers else 1.0
            means |= {MONOMER: split * named[CARGO]}
            means |= {OLIGOMER: split * named[CARGO]} if self.mixture.has_oligomers else {}
        share = area / self.area
        return coexist(self.mixture, means, share, helfrich=self.helfrich, radius=radius, start=start, steps=steps)

    def host_order(self, state: EndosomeState, phases: Coexistence):
        """phi of the host: what the domains leave to it."""
        inside = state.area.sum()
        return (state.content[0] - inside * phases.domain["phi"]) / (self.area - inside)

    def wall_share(self, area):
        """Share of a domain's area that its wall fills with host: sqrt2 ln2 xi/L, of a tanh wall that is thin."""
        size = jnp.sqrt(jnp.maximum(area, 1e-9) / jnp.pi)
        return jnp.clip(2**0.5 * np.log(2) * self.interface_width / size, 0.0, 1.0)

    @eqx.filter_jit
    def advance(self, state: EndosomeState, surroundings: Surroundings, until_tick):
        """Steps until ``until_tick``, until a vesicle leaves, or until more has to be known: the answer of the exact
        law, or the tension for a domain that has become larger than ``surroundings.told``.

        Returns the state and the departures. What is ``until_tick`` leaves no trace in the state if it is a multiple of
        the longest step.
        """

        def under_way(carry):
            state, leaves, _ = carry
            told = jnp.sqrt(state.area.max() / jnp.pi) <= surroundings.told
            return (state.tick < until_tick) & ~leaves.any() & ~asks_exact_law(state) & told

        go_on = lambda carry: self.step(carry[0], surroundings, until_tick)
        state, leaves, swing = jax.lax.while_loop(under_way, go_on, (state, *self._nobody(state)))
        return state, self._departures(state, surroundings, leaves, swing)

    def step(self, state: EndosomeState, surroundings: Surroundings, until_tick):
        """One step; returns the state, who leaves, and on which swing.

        Where the table does not tell the prospects of a domain, nothing else happens.
        """
        phases = self.phases(state.content, state.area, state.phases, 2)
        residual = jnp.maximum(phases.residual, state.phases.residual)
        phases = eqx.tree_at(lambda p: p.residual, phases, residual)
        state = eqx.tree_at(lambda s: s.phases, state, phases)
        state = self._informed(state, phases, surroundings)
        go_on = lambda: self._moved(state, phases, surroundings, until_tick)
        return jax.lax.cond(asks_exact_law(state), lambda: (state, *self._nobody(state)), go_on)

    def _nobody(self, state):
        """That no domain leaves, and the swings of all."""
        return state.present & False, jnp.zeros_like(state.area)

    def _moved(self, state, phases, surroundings, until_tick):
        """The step itself, with the prospects of now; returns the same."""
        growth, react = self._growth(phases), self._reaction(state, phases)
        ticks = self._step_ticks(state, growth, react, until_tick)
        journey = travel(
            self.flow,
            jax.random.fold_in(state.key, 1),
            state.place,
            state.area,
            state.tick,
            state.tick + ticks,
            self.tick_s,
            self.travel_step,
        )
        dt = (journey.tick - state.tick) * self.tick_s
        fates, progress = self._fates(state, surroundings, dt)
        change, area = react(dt), growth.advance(state.area, state.content[0], dt)
        state = eqx.tree_at(
            lambda s: (s.content, s.reacted, s.area, s.place, s.tick, s.progress),
            state,
            (state.content + change, state.reacted + change, area, journey.place, journey.tick, progress),
        )
        state = cleared(state, area <= 0)
        happens = (fates.buds | fates.flattens | fates.leaves) & state.present
        state, leaves, swing = jax.lax.cond(
            happens.any(),
            lambda: self._carried_out(state, fates, phases),
            lambda: (state, *self._nobody(state)),
        )
        meets = journey.met & (state.present & ~leaves)[journey.pair].all()
        place = merged_place(state.place, state.area, journey.pair)
        return jax.lax.cond(meets, lambda: merged(state, journey.pair, place), lambda: state), leaves, swing

    def _step_ticks(self, state, growth: Growth, react, until_tick):
        """Ticks that the next step may last; it ends at a multiple of the longest step at the latest."""
        growing = jnp.abs(growth.rates(state.area, state.content[0])) / jnp.maximum(state.area, LEAST_AREA)
        change = jnp.abs(react(PROBE)) / (jnp.abs(state.content) + 1e-4 * self.area) / PROBE
        fastest = jnp.maximum(growing.max(), change.max())
        wanted = self.tolerance / jnp.maximum(fastest, 1e-12) / self.tick_s
        boundary = (state.tick // self.longest + 1) * self.longest
        most = jnp.minimum(until_tick, boundary) - state.tick
        return jnp.clip(wanted, 1, most).astype(state.tick.dtype)

    def _reaction(self, state, phases):
        """What enzymes, turnover and flip-flop change within a time, (conserved,), as a function of it."""
        if self.mixture.ceramide is None:
            return lambda dt: jnp.zeros_like(state.content) * dt
        means = state.content[1:3] / self.area
        matrix, constant = reaction_rates(self.mixture.ceramide, phases, state.area.sum() / self.area, means)
        change = lambda dt: self.area * reacted(matrix, constant, means, dt)
        return lambda dt: jnp.zeros_like(state.content).at[1:3].set(change(dt))

    def _growth(self, phases: Coexistence) -> Growth:
        return Growth(
            area=self.area,
            diffusion=self.diffusion["phi"][0] * self._steepness(phases.host),
            phi_flat=phases.host["phi"],
            phi_domain=phases.domain["phi"],
            length=gibbs_thomson_length(self.mixture, phases, self.line_tension),
        )

    def _steepness(self, host):
        """(d^2f/dphi^2)/(2 b) of the host: D of phi over that of lipids."""
        slope = lambda phi: jax.grad(lambda phi: self.mixture.density(host | {"phi": phi}))(phi)
        return jax.grad(slope)(host["phi"]) / (2 * self.mixture.lipids.well)

    def _curvature(self, state, phases):
        """Mean c0 of each domain as the law sees it, with its wall, in 1/nm, (domains,), and that of the host."""
        wall = self.wall_share(state.area)
        inside, outside = (self.helfrich.spontaneous_curvature(phase) for phase in (phases.domain, phases.host))
        return (1 - wall) * inside + wall * outside, outside

    def _response(self, state, phases):
        """Standard deviation of the c0 of each domain, in 1/nm, (domains,), and what each species adds on a swing of
        one standard deviation, (domains, species)."""
        gradient = jax.grad(self.helfrich.spontaneous_curvature)(phases.domain)
        slope = jnp.stack([gradient[name] for name in self.mixture.species])
        # A covariance falls as 1/area but for the small share of bending that a disc pays: that of one size serves all.
        spread = covariance(self.mixture, phases.domain, TYPICAL_AREA, self.thermal_energy, self.helfrich)
        sd = jnp.sqrt(jnp.maximum(slope @ spread @ slope, 1e-24))
        scale = jnp.sqrt(TYPICAL_AREA / jnp.where(state.present, state.area, TYPICAL_AREA))
        scale = scale * (1 - self.wall_share(state.area))
        return scale * sd, scale[:, None] * (spread @ slope / sd)

    def _renewal_time(self, phases, area):
        """t_c = L^2/(4 D) in s of each domain: D in Lo, its inverse averaged over what species add to the variance."""
        weight, slowness = 1e-30, 0.0
        for name, coefficient in self.helfrich.coefficients.items():
            part = coefficient**2 * phases.domain[name] * self.mixture.part(name).sites(name)
            weight, slowness = weight + part, slowness + part / self.diffusion[name][1]
        return area / jnp.pi * slowness / (4 * weight)

    def situation(self, state, phases, surroundings) -> Situation:
        """What decides on the fates of all domains; of absent ones it has no meaning."""
        size, tension = self._size(state), self._tension(state, surroundings)
        curvature, outside = self._curvature(state, phases)
        wide = lambda value: jnp.broadcast_to(value, size.shape)
        spread, _ = self._response(state, phases)
        renewal = self._renewal_time(phases, state.area)
        return Situation(size, curvature, spread, wide(outside), tension, wide(surroundings.host_radius), renewal)

    def _size(self, state):
        """L = sqrt(a/pi) in nm; of absent domains 1 nm."""
        return jnp.sqrt(jnp.where(state.present, state.area, jnp.pi) / jnp.pi)

    def _tension(self, state, surroundings):
        """Mean tension in pN/nm while the vesicle of each domain forms."""
        return jnp.exp(jnp.interp(self._size(state), surroundings.size, surroundings.log_tension))

    def _informed(self, state, phases, surroundings) -> EndosomeState:
        """The state with the prospects of now."""
        curvature, outside = self._curvature(state, phases)
        tension = self._tension(state, surroundings)
        place = place_of(self._size(state), curvature, outside, tension, surroundings.host_radius)
        asks = outdated(state.prospects, place, state.present, state.is_open)

        def ask():
            situation = self.situation(state, phases, surroundings)
            return renewed(self.law, state.prospects, situation, place, asks, state.is_open)

        prospects = jax.lax.cond(asks.any(), ask, lambda: state.prospects)
        return eqx.tree_at(lambda s: s.prospects, state, prospects)

    def _draws(self, state, number: int):
        """Random numbers of this step, even between 0 and 1, (number, domains)."""
        key = jax.random.fold_in(jax.random.fold_in(state.key, 2), state.tick)
        return jax.random.uniform(key, (number, len(state.area)), state.area.dtype)

    def _fates(self, state, surroundings, dt) -> tuple[Fates, Array]:
        """Fates of all domains within dt, as far as they may have membrane, and the progress of their passages."""
        known, draws = state.prospects, self._draws(state, 2)
        free = state.present & (self._size(state) <= surroundings.largest)
        rate = jnp.where(free & ~state.is_open, known.rate, 0.0)
        budding = jax.lax.cond(
            (rate > 0).any(),
            lambda: draws[0] < budding_probability(state.progress, rate * dt, known.variation),
            lambda: jnp.zeros(len(rate), bool),
        )
        aided = state.tick - state.open_since >= self.aid_ticks
        scission = jnp.where(aided, known.aided, known.scission)
        closes, gone = known.closes[:, 0], jnp.isnan(known.neck_radius_nm[:, 0])
        opened = fates_of_open_buds(scission, known.opening, gone & ~closes, closes, dt, draws)
        bud = state.present & state.is_open
        fates = Fates(budding & (rate > 0), opened.flattens & bud, opened.leaves & bud & free)
        ended = fates.buds | fates.flattens
        return fates, jnp.where(ended, 0.0, state.progress + rate * dt)

    def _carried_out(self, state, fates: Fates, phases):
        """The state in which new open buds are open and others have flattened, which domains leave, and on which swing.

        The composition of an open bud is renewed many times before it leaves: that is at the mean.
        """
        key = jax.random.fold_in(jax.random.fold_in(state.key, 3), state.tick)
        draws = jax.random.uniform(key, state.area.shape, state.area.dtype)
        swing = state.prospects.swings(self._renewal_time(phases, state.area), draws)
        barrier, closes, _ = state.prospects.at(swing)
        opens = fates.buds & ~closes
        state = eqx.tree_at(
            lambda s: (s.open_since, s.crossed_kBT),
            state,
            (
                jnp.where(opens, state.tick, jnp.where(fates.flattens, -1, state.open_since)),
                jnp.where(opens, barrier, state.crossed_kBT),
            ),
        )
        at_once = fates.buds & closes
        return state, fates.leaves | at_once, jnp.where(at_once, swing, 0.0)

    def _departures(self, state, surroundings, leaves, swing) -> Departures:
        """``leaves`` on ``swing``, and all that their rows tell."""
        phases = state.phases
        barrier, closes, neck = state.prospects.at(swing)
        _, response = self._response(state, phases)
        wall = self.wall_share(state.area)[:, None]
        stacked = lambda phase: jnp.stack([phase[name] for name in self.mixture.species])
        mean = (1 - wall) * stacked(phases.domain) + wall * stacked(phases.host)
        swung = mean + response * swing[:, None]
        aided = state.is_open & (state.tick - state.open_since >= self.aid_ticks)
        return Departures(
            leaves=leaves,
            aided=aided & ~closes,
            # No species is used up by a swing.
            composition=jnp.concatenate([mean[:, :1], jnp.maximum(swung[:, 1:], 0.05 * mean[:, 1:])], -1),
            barrier_kBT=jnp.where(state.is_open, jnp.maximum(state.crossed_kBT, barrier), barrier),
            neck_radius_nm=neck,
            tension=self._tension(state, surroundings),
            direction=state.prospects.direction,
        )
