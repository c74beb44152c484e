"""What one endosome on the sheet carries from step to step."""

import equinox as eqx
from jaxtyping import Array, Complex, Float, Int, PRNGKeyArray


class SheetState(eqx.Module):
    """One endosome at one instant: an immutable pytree.

    Attributes:
        fields: the species in the order of the sheet.
        tick: the time, in whole ticks.
        step_ticks: length of a step, a power of two.
        key: from this and ``tick`` every random number follows.
        increment_hat: transform of the last increment, which the two-step scheme needs.
        rate_hat: transform of the last rate, likewise.
        history_ticks: length of the step that this history belongs to; 0 where there is no history.
        wiener: the last increment of the filtered noise.
        chunk_steps: steps since the beginning of the chunk that is under way.
        projected_hat: transform of ``Sheet.projected``.
        reacted: what reactions have added since the beginning of the chunk, summed over the grid.

    A chunk of steps may be cut into parts, between which somebody looks at the state, and not a bit of the result
    changes. Therefore ``projected_hat`` and ``reacted`` are begun anew only where ``chunk_steps`` is 0.
    """

    fields: Float[Array, "species ny nx"]
    increment_hat: Complex[Array, "species ny kx"]
    rate_hat: Complex[Array, "species ny kx"]
    wiener: Complex[Array, "my mx"]
    tick: Int[Array, ""]
    step_ticks: Int[Array, ""]
    history_ticks: Int[Array, ""]
    key: PRNGKeyArray
    projected_hat: Complex[Array, "combinations ny kx"]
    reacted: Float[Array, " species"]
    chunk_steps: Int[Array, ""]
