"""Archives open in the programs of others, as they are: every axis of every data set has its dimension scale."""

import h5netcdf
import h5py
import netCDF4
import numpy as np
import pytest
import xarray
from archives import KINDS, archive_of, make_events, make_series

from membrane.archive.tables import is_dimension


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archives")
    made = {kind: archive_of(kind, folder) for kind in KINDS if kind != "sheet" and kind != "small"}
    return made | {kind: folder / f"{kind}.h5" for kind in ("sheet", "small")}


def groups_of(path):
    """Names of all groups, and {name: values} of all data sets, as h5py reads them."""
    groups, values = ["/"], {}

    def see(name, node):
        if isinstance(node, h5py.Group):
            groups.append(name)
        elif not is_dimension(node):
            values[name] = node.asstr()[()] if node.dtype == object else node[()]

    with h5py.File(path) as file:
        file.visititems(see)
    return groups, values


@pytest.mark.parametrize("kind", KINDS)
def test_every_axis_has_a_scale(archives, kind):
    """One, of its length, and no axis of a data set shares its scale with another."""
    with h5py.File(archives[kind]) as file:

        def see(name, node):
            if isinstance(node, h5py.Dataset) and not node.is_scale:
                scales = [list(dim.values()) for dim in node.dims]
                assert [len(found) for found in scales] == [1] * node.ndim, name
                assert tuple(len(found[0]) for found in scales) == node.shape, name
                assert len({found[0].name for found in scales}) == node.ndim, name

        file.visititems(see)


@pytest.mark.parametrize("kind", KINDS)
def test_h5netcdf_opens_every_group(archives, kind):
    """Without phony_dims."""
    groups, values = groups_of(archives[kind])
    with h5netcdf.File(archives[kind], decode_vlen_strings=True) as file:
        for group in groups:
            for variable in (file if group == "/" else file[group]).variables.values():
                assert len(variable.dimensions) == len(variable.shape)
                name = f"{group}/{variable.name.rpartition('/')[2]}".lstrip("/")
                np.testing.assert_array_equal(variable[...], values[name], err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_netcdf4_opens_every_group(archives, kind):
    """Its values are those of h5py, types of numbers that netCDF knows taken."""
    groups, values = groups_of(archives[kind])
    seen = 0
    with netCDF4.Dataset(archives[kind]) as file:
        file.set_auto_mask(False)
        for group in groups:
            here = file if group == "/" else file[group]
            for name, variable in here.variables.items():
                name = f"{group}/{name}".lstrip("/")
                assert len(variable.dimensions) == variable.ndim
                found = variable[...]
                if values[name].dtype.kind in "fiuO":
                    np.testing.assert_array_equal(found, values[name], err_msg=name)
                seen += 1
    assert seen == len(values)


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
@pytest.mark.parametrize("kind", KINDS)
def test_xarray_opens_all_as_a_tree(archives, kind, engine):
    """With the coordinates of frames and series."""
    with xarray.open_datatree(archives[kind], engine=engine) as tree:
        groups, _ = groups_of(archives[kind])
        assert {node.path.lstrip("/") or "/" for node in tree.subtree} == set(groups)
        for node in tree.subtree:
            node.to_dataset().load()
        if kind in ("sheet", "vesicle"):
            np.testing.assert_array_equal(tree["events"].values["diameter_nm"], make_events(12)["diameter_nm"])
            column = tree["series/tension_uN_per_m"]
            assert column.dims == ("time_s", "endosome")
            assert float(column.sel(endosome=1).isel(time_s=-1)) == make_series()["tension_uN_per_m"][-1, 1]
            axes = ("y_nm", "x_nm") if kind == "sheet" else ("z_nm", "y_nm", "x_nm")
            assert tree["frames/phi"].dims == ("time_s", "endosome", *axes)
            assert tree["frames/phi"].sel(x_nm=6.0, y_nm=8.0, method="nearest").attrs["units"] == "1"
            np.testing.assert_array_equal(tree["frames/x_nm"], 3.0 * np.arange(5))
