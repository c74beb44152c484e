"""What a result holds: tables, arrays, sizes and pictures of one archive; and what it says where there is none."""

import builtins

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from test_run import CONFIG

import membrane as mb
from membrane import archive
from membrane.outcome.intervals import median_interval
from membrane.outcome.table import KINDS, MECHANISMS

pytestmark = pytest.mark.usefixtures("remembered_walls")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The archive of a tiny run of three endosomes."""
    folder = tmp_path_factory.mktemp("result")
    (folder / "tiny.yaml").write_text(CONFIG)
    return mb.run(folder / "tiny.yaml", endosomes=3, output=folder / "tiny.h5", progress=False).path


@pytest.fixture(scope="module")
def result(path):
    """That archive, read."""
    return mb.read(path)


@pytest.fixture(scope="module")
def record(path):
    """The same as the room archive reads it."""
    return archive.read(path)


def test_events(result, record):
    """One row an event with all columns of the archive; kind and mechanism are words; ILVs are those into the
    lumen."""
    assert len(result.events) == len(record.events) >= 3
    assert tuple(result.events.columns) == record.events.dtype.names
    for name in record.events.dtype.names:
        words = {"kind": KINDS, "mechanism": MECHANISMS}.get(name)
        values = result.events[name] if words is None else result.events[name].map(words)
        np.testing.assert_array_equal(values, record.events[name])
    assert set(result.events["kind"]) == {"scission"}
    assert len(result.ilvs) == np.sum((record.events["kind"] == 0) & (record.events["direction"] == 1))
    np.testing.assert_array_equal(result.ilvs["diameter_nm"], record.ilvs["diameter_nm"])


def test_series(result, path):
    """Each observable has its two axes, their coordinates and its unit, as xarray reads them from the archive."""
    with xr.open_dataset(path, group="series", engine="h5netcdf") as raw:
        assert set(result.series.data_vars) == set(raw.data_vars)
        for name in raw.data_vars:
            xr.testing.assert_equal(result.series[name], raw[name])
            assert result.series[name].attrs["units"] == raw[name].attrs["units"]
    assert result.series.time_s.attrs["units"] == "s"
    assert result.series.tension_uN_per_m.attrs["units"] == "uN/m"
    assert result.series.sel(time_s=0.002, method="nearest").sizes == {"endosome": 3}


def test_frames(result, path):
    """Each field has its axes in nm and s and is what xarray reads from the archive, whichever part is taken."""
    with xr.open_dataset(path, group="frames", engine="h5netcdf") as raw:
        assert result.frames.sizes == {"time_s": 5, "endosome": 3, "y_nm": 20, "x_nm": 24}
        assert set(result.frames.data_vars) == set(raw.data_vars) - {"index"}
        for axis in result.frames.dims:
            np.testing.assert_allclose(result.frames[axis], raw[axis])
        whole = raw["phi"].values
    assert result.frames.height.attrs["units"] == "nm"
    parts = [
        (),
        (0,),
        (-1, slice(None), slice(None, None, -1)),
        (slice(1, 3), 0),
        (slice(None), slice(None), 3, slice(None, None, 8)),
        (2, 1, 0, 0),
        (slice(0, 0),),
        (np.array([3, 0]), 1, np.array([4, 5])),
    ]
    for part in parts:
        # A fresh reading each: an array that was read as a whole is kept.
        found = mb.read(path).frames["phi"]
        expected = xr.DataArray(whole, dims=found.dims)[part].values
        np.testing.assert_array_equal(found[part].values, expected)


def test_frames_are_read_when_they_are_used(path, monkeypatch):
    """Looking at the structure reads no more than one picture; a part reads its own pictures only."""
    read, asked = archive.Frames.frame, []

    def counted(self, *arguments):
        asked.append(arguments)
        return read(self, *arguments)

    monkeypatch.setattr(archive.Frames, "frame", counted)
    frames = mb.read(path).frames
    assert "phi" in repr(frames)
    assert len(asked) <= 1
    asked.clear()
    assert frames["phi"][1:3, 2].values.shape == (2, 20, 24)
    assert asked == [("phi", 1, 2), ("phi", 2, 2)]


def test_sizes(result, record):
    """The numbers of the archive, the interval of the median, and the histogram as a table."""
    sizes, kept = result.sizes, record.size_distribution
    for name in ("n", "mean_nm", "sd_nm", "median_nm", "q25_nm", "q75_nm", "fraction_40_100_nm"):
        assert getattr(sizes, name) == kept[name]
    ilvs = record.ilvs
    expected = median_interval(ilvs["diameter_nm"], ilvs["endosome"], 3)
    np.testing.assert_array_equal(sizes.interval, expected)
    table = sizes.table
    assert table["count"].sum() == sizes.n == len(ilvs)
    np.testing.assert_allclose(np.sum(table.probability_density_per_nm * (table.to_nm - table.from_nm)), 1)
    np.testing.assert_array_equal(table.ci_high_per_nm, kept["ci_high"])
    assert f"median {sizes.median_nm:.1f} nm" in repr(sizes)
    assert repr(sizes).startswith(f"{sizes.n} ILVs of known size from 3 endosomes")


def test_plot(result):
    """Without axes a new figure is made, which pyplot shows; axes that are given are drawn into and returned."""
    axes = result.plot()
    assert plt.fignum_exists(axes.figure.number)
    assert "ILV diameter" in axes.get_xlabel()
    plt.close(axes.figure)
    figure, (left, right) = plt.subplots(1, 2)
    assert result.plot(right) is right
    assert right.get_legend() is not None
    assert not left.has_data()
    assert len(right.get_legend().get_texts()) + 1 == len(result.plot(left, beside=[result]).get_legend().get_texts())
    assert plt.rcParams["axes.spines.top"], "the style of the user stays"
    plt.close(figure)


def test_plot_membrane(result):
    """A figure that a notebook shows as a picture; the frames that are asked for are in it."""
    figure = result.plot_membrane(endosome=2, frames=[0, -1])
    assert "endosome 2" in figure.get_supxlabel()
    assert len(figure.axes[0].get_title()) > 0
    assert figure._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="no endosome 3"):
        result.plot_membrane(endosome=3)


def test_it_prints_as_a_short_tree(result):
    """What the run was, how much there is of each part, and where it is kept."""
    lines = repr(result).split("\n")
    assert lines[0] == "tiny: a sheet, complete, 3 endosomes, 4.096 ms"
    assert [line[3:].partition(":")[0] for line in lines[1:]] == ["events", "sizes", "series", "frames", "archive"]
    assert max(map(len, lines)) <= 100
    assert str(result.path) in lines[-1] or lines[-1].endswith("…")


def test_configuration_and_attributes(result, path):
    """The configuration is the one that was run, as an object; attributes and summary say the rest."""
    assert result.config == mb.load(path.with_name("tiny.yaml"), endosomes=3)
    assert result.config.changed(endosomes=1).endosomes == 1
    assert result.attributes["status"] == "complete"
    assert "3 endosomes" in result.summary()
    assert result.path == path
    assert len(result.members) == 0


def test_what_is_no_archive(tmp_path):
    """A missing file, a folder, a configuration and a foreign file are refused in words."""
    for name, content, words in (
        ("none.h5", None, "does not exist"),
        ("foreign.h5", b"no HDF5 at all", "is it the right file"),
        ("tiny.yaml", CONFIG.encode(), "is a configuration, not an archive: membrane.run"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(mb.ArchiveError, match=words):
            mb.read(tmp_path / name)
    with pytest.raises(mb.ArchiveError, match="is no file"):
        mb.read(tmp_path)


def test_absent_frames(path, tmp_path):
    """Where an archive holds no frames, fields and pictures say so; all else is there."""
    pruned = tmp_path / "pruned.h5"
    pruned.write_bytes(path.read_bytes())
    archive.prune(pruned)
    result = mb.read(pruned)
    with pytest.raises(ValueError, match="holds no frames"):
        result.frames  # noqa: B018
    with pytest.raises(ValueError, match="holds no frames"):
        result.plot_membrane()
    assert len(result.events) >= 3
    assert "frames: none" in repr(result)


def test_missing_libraries(path, monkeypatch):
    """Without pandas and xarray the rest works, and what needs them says how they are installed."""
    imported = builtins.__import__

    def without(name, *arguments):
        if name.partition(".")[0] in ("pandas", "xarray"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return imported(name, *arguments)

    result = mb.read(path)
    monkeypatch.setattr(builtins, "__import__", without)
    for part in ("events", "ilvs", "series", "frames", "members"):
        with pytest.raises(ImportError, match=r"missing: pip install 'membrane-exosomes\[analysis\]'"):
            getattr(result, part)
    with pytest.raises(ImportError, match="pandas is missing"):
        result.sizes.table  # noqa: B018
    assert result.sizes.n >= 3
    assert "complete" in repr(result)


def test_an_unfinished_run(path, tmp_path):
    """Of a run that was interrupted, what it has saved is read, though its units are not yet known."""
    with h5py.File(path) as file:
        assert "checkpoint" in file
    with archive.Archive.resume(_copied(path, tmp_path / "extended.h5")) as run:
        run.add_frame(9, 0.01, {"phi": np.zeros((3, 20, 24))})
    result = mb.read(tmp_path / "extended.h5.partial")
    assert result.attributes["status"] == "partial"
    assert result.frames.sizes["time_s"] == 6
    assert result.series.sizes["time_s"] == 9


def _copied(source, target):
    target.write_bytes(source.read_bytes())
    return target
