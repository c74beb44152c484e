"""Groups and data sets of HDF5, with a dimension scale for every axis."""

from collections.abc import Mapping

import h5py
import numpy as np

from membrane.outcome.sizes import size_distribution
from membrane.outcome.table import is_ilv

SUMMARY = ("n", "mean_nm", "sd_nm", "median_nm", "q25_nm", "q75_nm", "fraction_40_100_nm")
"""Numbers of a size distribution, which are attributes of its group."""

INTERVALS = ("endosomes", "interval_level", "interval_method")
"""What the intervals of a size distribution rest on; these are attributes of its group as well."""

STORAGE = {"compression": "gzip", "compression_opts": 4, "shuffle": True, "fletcher32": True}
"""How data are stored that stay: compressed, and every chunk with a checksum that HDF5 verifies as it reads."""

CHUNK_BYTES = 2**20
"""The largest chunk of a data set."""

# netCDF gives this name to a dimension that has a length but no coordinates.
_NO_COORDINATES = "This is a netCDF dimension but not a netCDF variable."


def write(group, content, storage=STORAGE):
    """Write nested mappings of arrays as groups of data sets."""
    for name, value in content.items():
        if isinstance(value, Mapping):
            write(group.create_group(name), value, storage)
        else:
            put(group, name, value, storage)


def put(group, name, value, storage=STORAGE):
    """Write an array as a data set. A single number and an empty array are stored without chunks."""
    value = np.asarray(value)
    if not value.ndim or not value.size or not storage:
        return group.create_dataset(name, data=value)
    rows = min(len(value), max(1, CHUNK_BYTES // max(1, value[0].nbytes)))
    return group.create_dataset(name, data=value, chunks=(rows, *value.shape[1:]), **storage)


def dimension(group, name, length):
    """A dimension scale that has no coordinates, as in netCDF. It takes no space; one that is there is used again."""
    if name not in group:
        scale = group.create_dataset(name, (length,), ">f4", track_times=False)
        scale.make_scale(f"{_NO_COORDINATES}{length:10d}")
    return group[name]


def is_dimension(dataset):
    """Whether a data set was made by `dimension`."""
    name = dataset.attrs.get("NAME", b"")
    return isinstance(name, bytes | np.bytes_) and name.startswith(_NO_COORDINATES.encode())


def coordinate(group, name, values, units=""):
    """A dimension scale with coordinates."""
    scale = put(group, name, values)
    scale.make_scale(name)
    scale.attrs["units"] = units
    return scale


def attach(values, *scales):
    """Attach a dimension scale to each axis, in their order."""
    for axis, scale in enumerate(scales):
        values.dims[axis].attach_scale(scale)


def label_events(file):
    """Give the axis of the table of events a dimension scale."""
    attach(file["events"], dimension(file, "event", len(file["events"])))


def write_sizes(group, sizes):
    """Write a size distribution: numbers as attributes, the histogram as data sets."""
    scalars = (*SUMMARY, *INTERVALS)
    group.attrs.update({key: sizes[key] for key in scalars})
    edges = coordinate(group, "bin_edges_nm", sizes["bin_edges_nm"], "nm")
    middle = (edges[1:] + edges[:-1]) / 2
    centre = coordinate(group, "bin_centre_nm", middle, "nm")
    for name, values in sizes.items():
        if name not in scalars and name != "bin_edges_nm":
            found = put(group, name, values)
            known = {len(edges): edges, len(centre): centre}
            attach(found, *(known.get(n) or dimension(group, f"axis{i}_{n}", n) for i, n in enumerate(found.shape)))


def write_states(group, states, scalars):
    """Write the last state of each endosome. An axis is named after its place and its length."""
    group.attrs["scalars"] = scalars
    write(group, {"states": {f"{i:06d}": state for i, state in enumerate(states)}})
    for state in group["states"].values():
        for values in state.values():
            attach(values, *(dimension(group, f"axis{i}_{n}", n) for i, n in enumerate(values.shape)))


def read(node):
    """The nested mapping of arrays that `write` has written."""
    if isinstance(node, h5py.Group):
        return {name: read(child) for name, child in node.items()}
    return np.asarray(node[()])


def plain(value):
    """The value of an attribute as a number or text of Python."""
    return value.item() if isinstance(value, np.generic) else value


def write_series(group, series, units, endosomes):
    """Write series (time, endosome) with the scales of both axes."""
    time = coordinate(group, "time_s", series.get("time_s", np.zeros(0)), "s")
    endosome = coordinate(group, "endosome", np.arange(endosomes))
    for name, values in series.items():
        if name != "time_s":
            found = put(group, name, values)
            found.attrs["units"] = units.get(name, "")
            attach(found, time, endosome)


def write_frames(group, rows, count, units, spacing_nm):
    """Write frames, with the scales of all axes.

    ``group``: where they are written.
    ``rows``, ``count``: the frames, as `gather` takes them.
    ``units``: the unit of each field by name; "" where there is none.
    ``spacing_nm``: spacing of the grid ([dz,] dy, dx), nm.
    """
    gather(rows, count, group)
    group.attrs["spacing_nm"] = np.array(spacing_nm, float)
    time, names = group["time_s"], field_names(group)
    time.make_scale("time_s")
    time.attrs["units"] = "s"
    attach(group["index"], time)
    if not names:
        return
    axes = ("z_nm", "y_nm", "x_nm")[-len(spacing_nm) :]
    points = zip(axes, spacing_nm, group[names[0]].shape[2:], strict=True)
    scales = [time, coordinate(group, "endosome", np.arange(group[names[0]].shape[1]))]
    scales += [coordinate(group, axis, h * np.arange(n), "nm") for axis, h, n in points]
    for name in names:
        field = group[name]
        field.attrs.update({"units": units.get(name, ""), "spacing_nm": np.array(spacing_nm, float)})
        attach(field, *scales)


def field_names(group):
    """Names of the fields in a group of frames: its data sets of four axes or five."""
    return tuple(name for name, values in group.items() if isinstance(values, h5py.Dataset) and values.ndim > 3)


def create_field(group, name, shape):
    """A new field, NaN everywhere, with one chunk for each frame and endosome."""
    return group.create_dataset(name, shape, "f4", chunks=(1, 1, *shape[2:]), fillvalue=np.nan, **STORAGE)


def gather(rows, count, group):
    """Copy frames into a group.

    ``rows``: for each frame the group that holds it and its row there.
    ``count``: the number of frames.
    ``group``: where they are copied to. A field that a frame lacks is NaN there.
    """
    times, indices = np.zeros(count), np.zeros(count, np.int64)
    for target_row, (source, row) in enumerate(rows):
        times[target_row], indices[target_row] = source["time_s"][row], source["index"][row]
        for name in field_names(source):
            if name not in group:
                create_field(group, name, (count, *source[name].shape[1:]))
            _copy_row(source[name], row, group[name], target_row)
    put(group, "time_s", times)
    put(group, "index", indices)


def _copy_row(source, row, target, target_row):
    # Chunks that are stored alike are copied as they are: to unpack and pack them would take most of the time.
    alike = ("chunks", "dtype", "compression", "compression_opts", "shuffle", "fletcher32", "scaleoffset")
    if any(getattr(source, key) != getattr(target, key) for key in alike):
        target[target_row] = source[row]
        return
    rest = (0,) * (source.ndim - 2)
    for endosome in range(source.shape[1]):
        mask, chunk = source.id.read_direct_chunk((row, endosome, *rest))
        target.id.write_direct_chunk((target_row, endosome, *rest), chunk, mask)


def sizes_of(events, number_of_endosomes):
    """The size distribution of the ILVs among ``events``."""
    ilvs = events[is_ilv(events)]
    return size_distribution(ilvs["diameter_nm"], ilvs["endosome"], number_of_endosomes)
