"""Small archives of every kind, made of arrays: no run stands behind them."""

import numpy as np

from membrane.archive import Archive, Collection, read
from membrane.outcome.table import EVENT_DTYPE

CONFIG = "name: trial\nkind: sheet\nduration_s: 0.5\n"


def make_events(count, endosomes=2, seed=0):
    """Rows in which every column is random; every second one is an ILV."""
    rng = np.random.default_rng(seed)
    events = np.zeros(count, EVENT_DTYPE)
    for name in EVENT_DTYPE.names:
        if EVENT_DTYPE[name].kind == "f":
            events[name] = rng.uniform(40, 90, count)
    events["event_id"] = np.arange(count)
    events["endosome"] = rng.integers(0, endosomes, count)
    events["direction"] = 1 - 2 * (np.arange(count) % 2)
    events["time_s"] = np.sort(rng.uniform(0, 0.4, count))
    return events


def make_states(endosomes=2, seed=0):
    """Arrays of all types and shapes that states have."""
    rng = np.random.default_rng(seed)
    return [
        {
            "fields": rng.normal(size=(2, 6, 6)).astype(np.float32),
            "rate_hat": (rng.normal(size=(2, 6, 4)) + 1j).astype(np.complex64),
            "key": rng.integers(0, 2**32, 2, dtype=np.uint32),
            "tick": np.asarray(7, np.int64),
            "running": np.array([True, False]),
            "nothing": np.zeros((0, 4)),
        }
        for _ in range(endosomes)
    ]


def make_series(count=4, endosomes=2):
    """Two columns and their time."""
    values = np.arange(1.0 * count * endosomes).reshape(count, endosomes)
    return {"time_s": np.linspace(0, 0.4, count), "tension_uN_per_m": values, "ilv_count": values.astype(int)}


def make_fields(index, kind, endosomes=2):
    """Two fields of a frame."""
    rng = np.random.default_rng(index)
    shape = (endosomes, 6, 5) if kind == "sheet" else (endosomes, 4, 6, 5)
    return {name: rng.normal(size=shape) for name in ("phi", "height" if kind == "sheet" else "psi")}


def begin(path, kind="sheet", *, checkpoints=2, frames=3, events=12):
    """An unfinished run of ``kind``, still open."""
    spacing = spacing_of(kind)
    run = Archive.create(path, config_yaml=CONFIG.replace("sheet", kind), name="trial", seed=5)
    for number in range(checkpoints):
        scalars = {"wall_time_s": float(number), "grid_spacing_nm": spacing}
        run.checkpoint(make_states(seed=number), scalars, make_events(events), make_series())
    for index in range(frames):
        run.add_frame(index, 0.1 * index, make_fields(index, kind))
    return run


def spacing_of(kind):
    """Of the grid, nm."""
    return (4.0, 3.0) if kind == "sheet" else (5.0, 4.0, 3.0)


def finish(run, kind="sheet", **options):
    """The archive of an unfinished run."""
    units = {"phi": "1", "psi": "1", "height": "nm", "tension_uN_per_m": "uN/m"}
    how = dict(status="complete", wall_time_s=1.5, units=units, number_of_endosomes=2)
    return run.finish(**how | dict(grid_spacing_nm=spacing_of(kind)) | options)


def collect(path, *members):
    """A collected archive of finished ones."""
    records = [read(member) for member in members]
    count = len(records)
    table = {"member": list(range(count)), "status": ["complete"] * count, "tension": [1.0 * i for i in range(count)]}
    attributes = {"name": "sweep", "status": "complete", "seed": 1, "config_yaml": CONFIG, "wall_time_s": 3.0}
    table |= {"endosomes": [2] * count, "time_s": [0.4] * count, "reason": [""] * count, "wall_time_s": [1.0] * count}
    with Collection(
        path, attributes=attributes, times_s=make_series()["time_s"], members=table, endosomes=2 * count
    ) as collection:
        for row, record in enumerate(records):
            collection.add(row, record)
    return path


def archive_of(kind, folder):
    """A finished archive: sheet, vesicle, collected, empty (nothing has happened) or small (no checkpoint)."""
    path = folder / f"{kind}.h5"
    if kind == "collected":
        return collect(path, archive_of("sheet", folder), archive_of("small", folder))
    if kind == "empty":
        return finish(begin(path, checkpoints=0, frames=0))
    if kind == "small":
        return finish(begin(path), keep_checkpoint=False)
    return finish(begin(path, kind), kind)


KINDS = ("sheet", "vesicle", "collected", "empty", "small")
