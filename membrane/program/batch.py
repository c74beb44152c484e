"""Endosomes side by side on accelerators: one compiled program advances a batch of them, a share on every device.

Every endosome keeps its own host loop, in a thread. One that asks for a chunk waits until all that are still under way
in its batch have asked; then one call advances them all, each by its own number of steps. A place in the batch knows
nothing of the others (vmap, and shard_map over the devices, without communication), and the program always has all
places, empty ones taking no steps: what an endosome does depends on its place, on the size of the batch and on the
number of devices, by rounding alone, and on nobody's pace.
"""

import threading
from collections.abc import Callable
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

PLACES = "places"
"""Name of the axis of the mesh of devices."""

MOST_A_DEVICE = 64
"""Endosomes in a batch for each device, unless another number is asked for."""


class Batch:
    """``places`` of endosomes that ``chunk`` (model, state, steps) -> (state, report) advances together on ``devices``.

    Raises ValueError where the devices do not divide the places.
    """

    def __init__(self, chunk: Callable, places: int, devices: list):
        if places < 1 or places % len(devices):
            raise ValueError(
                f"{places} places cannot be shared out evenly over {len(devices)} devices: give a multiple"
            )
        self.places, self.devices = places, list(devices)
        self._sharding = NamedSharding(Mesh(np.array(self.devices), (PLACES,)), PartitionSpec(PLACES))
        self._advanced = partial(_advanced, chunk, self._sharding)
        self._turn = threading.Condition()
        self._under_way: set[int] = set()
        self._asked: dict[int, tuple] = {}
        self._answers: dict[int, tuple | BaseException] = {}

    @classmethod
    def on_all_devices(cls, chunk: Callable, endosomes: int, asked: int | None) -> "Batch":
        """On the devices of this process, or as many as there are endosomes: places for ``asked`` at a time, or
        :data:`MOST_A_DEVICE` on each, evenly shared."""
        devices = jax.local_devices()
        places = min(asked or MOST_A_DEVICE * len(devices), endosomes)
        devices = devices[:places]
        return cls(chunk, -(-places // len(devices)) * len(devices), devices)

    def take(self, members: int) -> list["Place"]:
        """The first ``members`` places, none of which is advanced before all have asked or have been left."""
        self._under_way, self._asked, self._answers = set(range(members)), {}, {}
        return [Place(self, index) for index in range(members)]

    def chunk(self, index: int, model, state, steps):
        """What place ``index`` asks for; blocks until the whole batch has been advanced."""
        with self._turn:
            self._asked[index] = (model, state, steps)
            self._go_if_all_have_asked()
            self._turn.wait_for(lambda: index in self._answers)
            answer = self._answers.pop(index)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def leave(self, index: int) -> None:
        """Place ``index`` is not waited for any more."""
        with self._turn:
            self._under_way.discard(index)
            self._go_if_all_have_asked()

    def _go_if_all_have_asked(self) -> None:
        if not self._asked or self._asked.keys() != self._under_way:
            return
        asked, self._asked = self._asked, {}
        try:
            self._answers |= self._advance(asked)
        except BaseException as error:
            self._answers |= dict.fromkeys(asked, error)
        self._turn.notify_all()

    def _advance(self, asked: dict[int, tuple]) -> dict[int, tuple]:
        model, state, steps = next(iter(asked.values()))
        empty = (model, state, jnp.zeros_like(steps))
        filled = [asked.get(index, empty) for index in range(self.places)]
        arrays, fixed = zip(*(eqx.partition(each, eqx.is_array) for each in filled), strict=True)
        answers = self._advanced(fixed[0], self._together(arrays))
        return {index: self._apart(answers, index) for index in asked}

    def _together(self, trees):
        """Leaves (places, ...), every device with its share."""
        each = self.places // len(self.devices)

        def join(*leaves):
            shares = []
            for number, device in enumerate(self.devices):
                share = leaves[number * each : (number + 1) * each]
                shares.append(jnp.stack([jax.device_put(leaf, device) for leaf in share]))
            whole = (self.places, *shares[0].shape[1:])
            return jax.make_array_from_single_device_arrays(whole, self._sharding, shares)

        return jax.tree.map(join, *trees)

    def _apart(self, tree, index: int):
        """What lies in one place, on its device."""
        number, within = divmod(index, self.places // len(self.devices))
        on = lambda leaf: next(s.data for s in leaf.addressable_shards if s.device == self.devices[number])
        return jax.tree.map(lambda leaf: on(leaf)[within], tree)


class Place:
    """One place of a batch, left at the end of ``with``."""

    def __init__(self, batch: Batch, index: int):
        self.batch, self.index = batch, index

    def __enter__(self):
        return partial(self.batch.chunk, self.index)

    def __exit__(self, *exception):
        self.batch.leave(self.index)


@eqx.filter_jit
def _advanced(chunk, sharding, fixed, arrays):
    """``chunk`` of every place."""

    def one(arrays):
        return chunk(*eqx.combine(arrays, fixed))

    spec = sharding.spec
    # Nothing is exchanged, so what varies from device to device need not be followed.
    return jax.shard_map(jax.vmap(one), mesh=sharding.mesh, in_specs=spec, out_specs=spec, check_vma=False)(arrays)
