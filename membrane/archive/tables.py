"""Groups and data sets: mappings of arrays, series and frames with their dimension scales."""

from collections.abc import Mapping

import h5py
import numpy as np

from membrane.event_table import is_ilv
from membrane.sizes import size_distribution

SUMMARY = ("n", "mean_nm", "sd_nm", "median_nm", "q25_nm", "q75_nm", "fraction_40_100_nm")
"""Scalars of a size distribution, kept as attributes of its group."""

INTERVALS = ("endosomes", "interval_level", "interval_method")
"""What the intervals of a size distribution rest on, kept likewise."""

STORAGE = {"compression": "gzip", "compression_opts": 4, "shuffle": True}
_NOT_FIELDS = ("time_s", "index")


def write(group, content):
    """Nested mappings of arrays as groups of data sets."""
    for name, value in content.items():
        if isinstance(value, Mapping):
            write(group.create_group(name), value)
        else:
            group[name] = np.asarray(value)


def read(node):
    """What `write` has written."""
    if isinstance(node, h5py.Group):
        return {name: read(child) for name, child in node.items()}
    return np.asarray(node[()])


def plain(value):
    """An attribute as a number or text of Python."""
    return value.item() if isinstance(value, np.generic) else value


def write_series(group, series, units):
    """Series on their common time."""
    write(group, {"time_s": np.zeros(0)} | series)
    time = group["time_s"]
    time.make_scale("time_s")
    for name, values in group.items():
        values.attrs["units"] = units.get(name, "s" if name == "time_s" else "")
        if name != "time_s":
            values.dims[0].attach_scale(time)


def write_frames(group, rows, count, units, spacing_nm):
    """``count`` frames, as `gather` takes them, on their time."""
    gather(rows, count, group)
    group.attrs["spacing_nm"] = np.array(spacing_nm, float)
    time = group["time_s"]
    time.make_scale("time_s")
    time.attrs["units"] = "s"
    for name in field_names(group):
        field = group[name]
        field.attrs.update({"units": units.get(name, ""), "spacing_nm": np.array(spacing_nm, float)})
        field.dims[0].attach_scale(time)


def field_names(group):
    """The fields of a group of frames."""
    return tuple(name for name in group if name not in _NOT_FIELDS)


def create_field(group, name, shape):
    """An empty field, a chunk a frame and endosome."""
    return group.create_dataset(name, shape, "f4", chunks=(1, 1, *shape[2:]), fillvalue=np.nan, **STORAGE)


def gather(rows, count, group):
    """Copy ``count`` frames, each a (group, row) of equal layout, into a new group; fields absent from one are NaN."""
    times, indices = np.zeros(count), np.zeros(count, np.int64)
    for target_row, (source, row) in enumerate(rows):
        times[target_row], indices[target_row] = source["time_s"][row], source["index"][row]
        for name in field_names(source):
            if name not in group:
                create_field(group, name, (count, *source[name].shape[1:]))
            _copy_row(source[name], row, group[name], target_row)
    group["time_s"], group["index"] = times, indices


def _copy_row(source, row, target, target_row):
    # Chunks stored alike travel compressed: unpacking and packing them again would take longer than all else.
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
