"""What a checkpoint keeps of an endosome in three dimensions, as arrays by name, and the way back."""

import json
from dataclasses import asdict

import jax.numpy as jnp
import numpy as np

from membrane.replica import restored
from membrane.vesicle import ClosedMembrane, Conserved, VesicleState
from membrane.vesicle.necks import BudNeck


def state_arrays(state: VesicleState) -> dict[str, np.ndarray]:
    """The arrays of a state by name. ``books`` is the name that checkpoints have for what each membrane keeps."""
    arrays = {
        "psi": state.psi,
        "fields": state.fields,
        "books.area": state.conserved.area,
        "books.content": state.conserved.content,
        "books.labels": state.conserved.labels,
        "books.most": state.conserved.most,
        "books.drained": state.conserved.drained,
        "shape_step": state.shape_step,
        "velocity_hat": state.velocity_hat,
    }
    return {name: np.asarray(array) for name, array in arrays.items()}


def saved_state(saved: dict[str, np.ndarray], like: VesicleState) -> VesicleState:
    """Inverse of :func:`state_arrays`; ``like`` is a state of the same physics, whose number of membranes may differ.

    Raises KeyError or ValueError if the arrays belong to other physics.
    """
    psi, fields = restored(saved, "psi", like.psi), restored(saved, "fields", like.fields)
    kept = ("area", "content", "labels", "most", "drained")
    conserved = Conserved(*(jnp.asarray(saved[f"books.{name}"]) for name in kept))
    return VesicleState(psi, fields, conserved, jnp.asarray(saved["shape_step"]), jnp.asarray(saved["velocity_hat"]))


def membrane_array(membranes: list[ClosedMembrane]) -> np.ndarray:
    """Closed membranes as the bytes of a JSON text, from which numbers come back exactly."""
    return np.frombuffer(json.dumps([asdict(membrane) for membrane in membranes]).encode(), np.uint8)


def saved_membranes(array: np.ndarray) -> list[ClosedMembrane]:
    """Inverse of :func:`membrane_array`."""
    return [ClosedMembrane(**row | {"centre": tuple(row["centre"])}) for row in json.loads(array.tobytes())]


def neck_array(necks: list[BudNeck]) -> np.ndarray:
    """Necks as rows (radius, last open radius, deepest point z, y, x, direction), (necks, 6)."""
    rows = [(neck.radius, neck.last_open_radius, *neck.deepest_point, neck.direction) for neck in necks]
    return np.array(rows).reshape(-1, 6)


def saved_necks(array: np.ndarray) -> list[BudNeck]:
    """Inverse of :func:`neck_array`."""
    return [
        BudNeck(radius=radius, last_open_radius=last, deepest_point=(z, y, x), direction=int(direction))
        for radius, last, z, y, x, direction in array.tolist()
    ]
