"""Endosomes side by side on accelerators: one compiled program advances a batch of them, a share on every device.

A batch has places, and each place holds one endosome. Every endosome keeps its own loop in Python, in a thread. When
the loop needs a chunk of steps, it makes a request and waits. Once all endosomes under way in the batch have made one,
a single call advances them all, each by its own number of steps.

The places do not exchange anything (vmap, and shard_map over the devices). The program always has all places; an empty
one takes no steps. What an endosome does is therefore independent of how fast the others are. It depends on its place,
on the size of the batch and on the number of devices only through rounding.
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
"""Endosomes in a batch for each device, unless the user gives another number."""


class Batch:
    """Places of endosomes that one program advances together.

    ``chunk``: (model, state, steps) -> (state, report), which advances one endosome.
    ``places``: how many endosomes fit in.
    ``devices``: of jax; each gets an equal share of the places.

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
        self._requests: dict[int, tuple] = {}
        self._answers: dict[int, tuple | BaseException] = {}

    @classmethod
    def on_all_devices(cls, chunk: Callable, endosomes: int, at_a_time: int | None) -> "Batch":
        """A batch on the devices of this process, as far as there are endosomes for them.

        ``chunk``: as of the class.
        ``endosomes``: of the whole run.
        ``at_a_time``: places, rounded up so that the devices share them evenly; None: MOST_A_DEVICE for each device.
        """
        devices = jax.local_devices()
        places = min(at_a_time or MOST_A_DEVICE * len(devices), endosomes)
        devices = devices[:places]
        return cls(chunk, -(-places // len(devices)) * len(devices), devices)

    def take(self, members: int) -> list["Place"]:
        """The first ``members`` places. None is advanced before each of them has made a request or has been left."""
        self._under_way, self._requests, self._answers = set(range(members)), {}, {}
        return [Place(self, index) for index in range(members)]

    def chunk(self, index: int, model, state, steps):
        """The request of place ``index``: its state after ``steps``. Waits until the whole batch has been advanced."""
        with self._turn:
            self._requests[index] = (model, state, steps)
            self._advance_if_complete()
            self._turn.wait_for(lambda: index in self._answers)
            answer = self._answers.pop(index)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def leave(self, index: int) -> None:
        """The batch no longer waits for place ``index``."""
        with self._turn:
            self._under_way.discard(index)
            self._advance_if_complete()

    def _advance_if_complete(self) -> None:
        """Answers all requests, once there is one of every place under way."""
        if not self._requests or self._requests.keys() != self._under_way:
            return
        requests, self._requests = self._requests, {}
        try:
            self._answers |= self._advance(requests)
        except BaseException as error:
            self._answers |= dict.fromkeys(requests, error)
        self._turn.notify_all()

    def _advance(self, requests: dict[int, tuple]) -> dict[int, tuple]:
        model, state, steps = next(iter(requests.values()))
        empty = (model, state, jnp.zeros_like(steps))
        filled = [requests.get(index, empty) for index in range(self.places)]
        arrays, fixed = zip(*(eqx.partition(each, eqx.is_array) for each in filled), strict=True)
        answers = self._advanced(fixed[0], self._together(arrays))
        return {index: self._apart(answers, index) for index in requests}

    def _together(self, trees):
        """One tree of arrays (places, ...) of the trees of all places; every device holds its share."""
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
        """The part of one place, on its device: the inverse of `_together`."""
        number, within = divmod(index, self.places // len(self.devices))
        on = lambda leaf: next(s.data for s in leaf.addressable_shards if s.device == self.devices[number])
        return jax.tree.map(lambda leaf: on(leaf)[within], tree)


class Place:
    """One place of a batch. ``with`` gives its ``chunk`` (model, state, steps), and leaves the place at its end."""

    def __init__(self, batch: Batch, index: int):
        self.batch, self.index = batch, index

    def __enter__(self):
        return partial(self.batch.chunk, self.index)

    def __exit__(self, *exception):
        self.batch.leave(self.index)


@eqx.filter_jit
def _advanced(chunk, sharding, fixed, arrays):
    """``chunk`` of every place. ``fixed``: what is no array, alike in all places; ``arrays``: the rest, joined."""

    def one(arrays):
        return chunk(*eqx.combine(arrays, fixed))

    spec = sharding.spec
    # Devices exchange nothing, so jax need not check which values vary between them (check_vma).
    return jax.shard_map(jax.vmap(one), mesh=sharding.mesh, in_specs=spec, out_specs=spec, check_vma=False)(arrays)
