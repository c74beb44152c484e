"""What one endosome of kinetics carries from step to step."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from membrane.energy.coexistence import Coexistence
from membrane.kinetics.prospects import Prospects


class EndosomeState(eqx.Module):
    """One endosome at one instant: an immutable pytree with room for so many domains.

    Attributes:
        content: integral of phi, of ceramide in each leaflet and of all cargo over the membrane, in nm^2, (conserved,).
        area: of the domains, in nm^2; 0: there is no such domain, (domains,).
        place: unit vectors to their centres, (domains, 3).
        progress: of their passage to a bud: time over the mean time that it takes, (domains,).
        open_since: tick at which they became open buds; -1: they are none, (domains,).
        crossed_kBT: the barrier that open buds have crossed, (domains,).
        prospects: the rates of the domains.
        phases: compositions of host and domains at the beginning of the last step, from which those of the next are
            found. Their residual is the largest since they were found afresh, where a vesicle came or left.
        reacted: what reactions have added to the content, (conserved,).
        tick: the time, in whole ticks.
        key: from this and ``tick`` every random number follows.
    """

    content: Float[Array | np.ndarray, " conserved"]
    area: Float[Array | np.ndarray, " domains"]
    place: Float[Array | np.ndarray, "domains 3"]
    progress: Float[Array | np.ndarray, " domains"]
    open_since: Int[Array | np.ndarray, " domains"]
    crossed_kBT: Float[Array | np.ndarray, " domains"]
    prospects: Prospects
    phases: Coexistence
    reacted: Float[Array | np.ndarray, " conserved"]
    tick: Int[Array | np.ndarray, ""]
    key: PRNGKeyArray

    @classmethod
    def without_domains(cls, content, phases: Coexistence, room: int, key) -> "EndosomeState":
        """A membrane of this content and these phases at tick 0, with room for so many domains."""
        content = jnp.asarray(content, float)
        return cls(
            content=content,
            area=jnp.zeros(room),
            place=jnp.tile(jnp.asarray([0.0, 0.0, 1.0]), (room, 1)),
            progress=jnp.zeros(room),
            open_since=jnp.full(room, -1, jnp.int32),
            crossed_kBT=jnp.zeros(room),
            prospects=Prospects.of_nobody(room),
            phases=phases,
            reacted=jnp.zeros_like(content),
            tick=jnp.asarray(0, jnp.int32),
            key=key,
        )

    @property
    def present(self) -> Bool[Array | np.ndarray, " domains"]:
        """Which domains there are."""
        return self.area > 0

    @property
    def is_open(self) -> Bool[Array | np.ndarray, " domains"]:
        """Which domains are open buds."""
        return self.open_since >= 0


def cleared(state: EndosomeState, gone) -> EndosomeState:
    """The state without the domains ``gone`` (domains,), whose content stays in the membrane."""
    keep = lambda values, empty: jnp.where(gone, empty, values)
    return eqx.tree_at(
        lambda s: (s.area, s.progress, s.open_since, s.crossed_kBT),
        state,
        (
            keep(state.area, 0.0),
            keep(state.progress, 0.0),
            keep(state.open_since, -1),
            keep(state.crossed_kBT, 0.0),
        ),
    )


def merged(state: EndosomeState, pair, place) -> EndosomeState:
    """The state in which two domains have become one, which goes on with the passage of the larger.

    An open bud that touches another domain is one domain with it, and no bud any more.

    Arguments:
        pair: their numbers.
        place: unit vector of the new one.
    """
    larger, smaller = jnp.where(state.area[pair[0]] >= state.area[pair[1]], pair, pair[::-1])
    both = state.area[larger] + state.area[smaller]
    state = eqx.tree_at(
        lambda s: (s.area, s.place, s.open_since, s.crossed_kBT),
        state,
        (
            state.area.at[larger].set(both),
            state.place.at[larger].set(place),
            state.open_since.at[larger].set(-1),
            state.crossed_kBT.at[larger].set(0.0),
        ),
    )
    return cleared(state, jnp.arange(len(state.area)) == smaller)


def enlarged(state: EndosomeState, room: int) -> EndosomeState:
    """The same state with room for ``room`` domains, at least as many as before."""
    empty = EndosomeState.without_domains(state.content, state.phases, room - len(state.area), state.key)
    names = ("area", "place", "progress", "open_since", "crossed_kBT", "prospects")
    join = lambda old, new: np.concatenate([old, new])
    joined = tuple(jax.tree.map(join, getattr(state, name), getattr(empty, name)) for name in names)
    return eqx.tree_at(lambda s: tuple(getattr(s, name) for name in names), state, joined)
