"""Surfaces, pictures and movies of a vesicle: exact areas and curvatures, silhouettes, and the scripts."""

import base64
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from matplotlib.colors import to_rgb
from PIL import Image
from test_sheet_figures import assert_within, durations

from membrane.archive import Archive, read
from membrane.archive.record import Frames
from membrane.commands.entry import main
from membrane.figures import raycast
from membrane.figures import vesicle as plot_vesicle
from membrane.figures.frame import VesicleFrame
from membrane.figures.mesh import surface_mesh
from membrane.outcome.table import EVENT_DTYPE
from membrane.paths import signed
from membrane.units import thermal_energy

POINTS, SPACING, EPS = 32, 4.0, 4.8
RADIUS, ILV = 42.0, 18.0
MIDDLE = 0.5 * POINTS * SPACING
TIMES = (0.0, 1e-5, 2e-5)


def fields(ilv: bool):
    """psi and phi of a sphere, its upper half Lo, and a Ld vesicle in its middle."""
    z, y, x = np.meshgrid(*[SPACING * np.arange(POINTS) - MIDDLE] * 3, indexing="ij")
    r = np.sqrt(z**2 + y**2 + x**2)
    wall = lambda distance: np.tanh(distance / (2**0.5 * EPS))
    psi = wall(RADIUS - r) + wall(r - ILV) - 1 if ilv else wall(RADIUS - r)
    order = np.where(ilv & (r < 0.5 * (RADIUS + ILV)), -1, wall(z))
    return {"psi": psi[None], "phi": order[None]}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Three frames; between the first and the second a vesicle has left."""
    path = tmp_path_factory.mktemp("run") / "bud.h5"
    events = np.zeros(1, EVENT_DTYPE)
    events["time_s"], events["direction"], events["diameter_nm"] = 0.5e-5, 1, 2 * ILV
    events["x_nm"] = events["y_nm"] = events["z_nm"] = MIDDLE
    column = lambda *values: np.array(values, float)[:, None]
    series = {"time_s": np.array(TIMES), "vesicle_number": column(1, 2, 2), "ilv_number": column(0, 1, 1)}
    series |= {name: column(3, 2, 1) for name, *_ in plot_vesicle.PARTS}
    config = yaml.safe_dump({"kind": "vesicle", "temperature_C": 37.0, "membrane": {"interface_width_nm": EPS}})
    with Archive.create(path, config_yaml=config, name="bud", seed=0) as run:
        run.checkpoint([{"x": np.zeros(1)}], {}, events, series)
        for index, time in enumerate(TIMES):
            run.add_frame(index, time, fields(ilv=index > 0))
        run.finish(status="complete", wall_time_s=1.0, units={}, grid_spacing_nm=(SPACING,) * 3, number_of_endosomes=1)
    return path


@pytest.fixture(scope="module")
def sheet(tmp_path_factory):
    """An archive of a sheet."""
    path = tmp_path_factory.mktemp("run") / "sheet.h5"
    with Archive.create(path, config_yaml="{}", name="sheet", seed=0) as run:
        run.add_frame(0, 0.0, {"phi": np.zeros((1, 8, 8))})
        run.finish(status="complete", wall_time_s=1.0, units={}, grid_spacing_nm=(4.0, 4.0), number_of_endosomes=1)
    return path


@pytest.fixture
def coarse(monkeypatch):
    """Pictures of 48 pixels."""
    draw = raycast.picture
    monkeypatch.setattr(raycast, "picture", lambda scene, camera, pixels: draw(scene, camera, 48, 1))


def test_mesh_of_a_sphere_with_a_vesicle(archive):
    """Area, volume of lumen and mean curvature of both spheres to 0.5 %, 1 % and 2 %, the vesicle's of opposite sign;
    vertices on their spheres to 0.1 nm; phi as it was; each vertex knows its vesicle."""
    mesh = surface_mesh(VesicleFrame(read(archive), 1))
    inner = mesh.fields["vesicle"] == 1
    radius = np.linalg.norm(mesh.points - MIDDLE, axis=1)
    np.testing.assert_allclose(radius, np.where(inner, ILV, RADIUS), atol=0.1)
    assert mesh.area == pytest.approx(4 * np.pi * (RADIUS**2 + ILV**2), rel=5e-3)
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * (RADIUS**3 - ILV**3), rel=1e-2)
    curvature = mesh.fields["mean_curvature_per_nm"]
    np.testing.assert_allclose(curvature[~inner], -1 / RADIUS, rtol=2e-2)
    np.testing.assert_allclose(curvature[inner], 1 / ILV, rtol=2e-2)
    z = mesh.points[:, 2] - MIDDLE
    np.testing.assert_allclose(mesh.fields["phi"][~inner], np.tanh(z[~inner] / (2**0.5 * EPS)), atol=0.08)
    np.testing.assert_allclose(mesh.fields["phi"][inner], -1, atol=1e-3)
    assert set(mesh.fields) == {"phi", "mean_curvature_per_nm", "vesicle"}


def read_array(element):
    """The numbers of a binary DataArray, its length checked against its header."""
    raw = base64.b64decode(element.text)
    assert int(np.frombuffer(raw[:8], "<u8")[0]) == len(raw) - 8
    kind = {"Float32": "<f4", "Int32": "<i4"}[element.get("type")]
    return np.frombuffer(raw[8:], kind).reshape(-1, int(element.get("NumberOfComponents", 1)))


def test_export_writes_what_the_mesh_holds(archive, tmp_path):
    """One .vtp a frame that gives back points, triangles and fields; the .pvd names each with its time."""
    assert main(["export", str(archive), "-o", str(tmp_path / "out")]) == 0
    names = [f"bud-{index:06d}.vtp" for index in range(3)]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [*names, "bud.pvd"]
    assert all(signed(file) for file in (tmp_path / "out").iterdir())
    table = ElementTree.parse(tmp_path / "out" / "bud.pvd").getroot()
    assert table.get("type") == "Collection"
    assert [(d.get("file"), float(d.get("timestep"))) for d in table.iter("DataSet")] == list(zip(names, TIMES))
    mesh = surface_mesh(VesicleFrame(read(archive), 2))
    (piece,) = ElementTree.parse(tmp_path / "out" / names[2]).getroot().iter("Piece")
    assert (int(piece.get("NumberOfPoints")), int(piece.get("NumberOfPolys"))) == (
        len(mesh.points),
        len(mesh.triangles),
    )
    arrays = {element.get("Name"): read_array(element) for element in piece.iter("DataArray")}
    assert np.array_equal(arrays["Points"], mesh.points)
    assert np.array_equal(arrays["connectivity"].reshape(-1, 3), mesh.triangles)
    assert arrays["offsets"].ravel().tolist() == list(range(3, 3 * len(mesh.triangles) + 1, 3))
    for name, values in mesh.fields.items():
        assert np.array_equal(arrays[name].ravel(), values)


COMMANDS = (["export"], ["figure", "--kind", "vesicle"], ["movie"])


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_refuse_in_words(command, archive, sheet, tmp_path, capsys):
    """A sheet, an absent archive and an absent endosome: exit 2, one line, nothing written. Of a sheet there is a movie
    as well."""
    output = ["--output", str(tmp_path / "out.gif")]
    for arguments, words in (
        *([] if command == ["movie"] else [([str(sheet)], "no frames of a vesicle")]),
        ([str(tmp_path / "absent.h5")], "does not exist"),
        ([str(archive), "--endosome", "3"], "no endosome 3"),
    ):
        assert main([*command, *arguments, *output]) == 2
        assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("value", [np.nan, -1.0, 1.0, np.inf])
def test_frames_without_a_membrane(command, value, archive, monkeypatch, tmp_path, capsys):
    """Fields that hold no vesicle: exit 2 or 3 and one line."""
    monkeypatch.setattr(Frames, "frame", lambda *_: np.full((POINTS,) * 3, value, np.float32))
    assert main([*command, str(archive), "--output", str(tmp_path / "out.gif")]) in (2, 3)
    said = capsys.readouterr().err
    assert said.startswith(f"membrane {command[0]}: ")
    assert said.count("\n") == 1


def scene(archive, index=1, cut=True):
    """The scene of a frame, and a camera that sees all of it."""
    made = plot_vesicle.scene(VesicleFrame(read(archive), index))
    made.cut = cut
    return made, raycast.Camera((MIDDLE,) * 3, 60.0)


def test_silhouette_and_colours(archive):
    """Uncut, a sphere of the mid-plane's radius and half a bilayer more, to 1 %; Lo above, Ld below; outside
    transparent."""
    picture = raycast.picture(*scene(archive, 0, cut=False), 120)
    covered = picture[..., 3].sum()
    assert covered == pytest.approx(np.pi * (RADIUS + raycast.BILAYER / 2) ** 2, rel=0.01)
    assert picture[0, 0].tolist() == [0, 0, 0, 0]
    for at, colour in ((35, raycast.LO), (85, raycast.LD)):
        shown, paint = picture[at, 60, :3], np.array(to_rgb(colour))
        assert np.argmax(shown) == np.argmax(paint)
        assert np.argmin(shown) == np.argmin(paint)


def test_the_wedge_shows_the_vesicle_whole(archive):
    """Cut open, the middle pixel shows the vesicle's front: a sphere of its own radius; uncut, the limiting
    membrane's."""
    for cut, radius in ((True, ILV), (False, RADIUS)):
        made, camera = scene(archive, 1, cut)
        toward = camera.axes[2]
        start = (np.array(camera.centre) + 60 * toward)[None]
        met = made.distance_along_rays(start, -toward, np.zeros(1), np.full(1, 120.0), camera)
        assert met[0] == pytest.approx(60 - radius - raycast.BILAYER / 2, abs=0.3)


def test_camera_axes_are_orthonormal():
    """Right, up and towards the camera form a right-handed frame in (x, y, z); up is up."""
    axes = raycast.Camera((0.0, 0.0, 0.0), 1.0, azimuth=33.0, elevation=20.0).axes[:, ::-1]
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.cross(axes[0], axes[1]), axes[2], atol=1e-12)
    assert axes[1, 2] > 0.9


@pytest.mark.usefixtures("coarse")
def test_figure(archive, tmp_path):
    """Two rows for the frames chosen, their times, the ILV and its size; PNG and PDF at the width of a page."""
    figure = plot_vesicle.vesicle_figure(read(archive))
    assert [axes.get_title() for axes in figure.axes[1::2]] == ["lipids: t = 0", "lipids: t = 20 µs"]
    assert "1 ILV: 36.0 nm" in [text.get_text() for text in figure.texts]
    written = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    # Bars of length on the first of each row; the ILV's number in both views of the second frame.
    assert written == [["20 nm"], ["20 nm"], ["1"], ["1"]]
    names = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert names == ["Lo", "Ld", "lumen", "cytosol"]
    assert main(["figure", str(archive), "--frames", "0", "1", "2", "--output", str(tmp_path / "f")]) == 0
    with Image.open(tmp_path / "f.png") as picture:
        assert picture.size[0] == 300 * 7
    assert (tmp_path / "f.pdf").stat().st_size > 1000


def test_ilvs_are_numbered_in_their_order(archive):
    """The number goes to the vesicle that is there, at its centre; before it has left, and of those that have fused
    again, there is none."""
    record = read(archive)
    ((number, centre, radius),) = plot_vesicle.numbered_ilvs(record, 0, VesicleFrame(record, 1))
    assert number == 1
    np.testing.assert_allclose(centre, MIDDLE, atol=0.5 * SPACING)
    assert radius == pytest.approx(ILV, rel=0.03)
    assert plot_vesicle.numbered_ilvs(record, 0, VesicleFrame(record, 0)) == []
    # A second one, far away and not in the field any more: the first keeps its number, be it the later row.
    events = np.repeat(record.events, 2)
    events["time_s"], events["x_nm"] = [0.8e-5, 0.5e-5], [MIDDLE, MIDDLE + 30]
    two = plot_vesicle.numbered_ilvs(replace(record, events=events), 0, VesicleFrame(record, 1))
    assert [number for number, *_ in two] == [2]


@pytest.mark.parametrize(("times", "chosen"), [((1.5, 2.5), [0, 1, 2, 4]), ((7.0, 8.0), [0, 2, 4])])
def test_frames_that_tell_the_story(archive, times, chosen):
    """Before the first ILV, between first and last, and the end; also where ILVs have left after the last frame."""
    events = np.zeros(2, EVENT_DTYPE)
    events["time_s"], events["direction"] = times, 1
    record = replace(read(archive), events=events, frames=Frames([], np.arange(5.0), ()))
    assert plot_vesicle.frames_to_show(record, 0, 5) == chosen


@pytest.mark.usefixtures("coarse")
def test_summary_and_movie(archive, tmp_path):
    """The summary shows frames, energies and ILVs; the movie has a picture a frame and refuses other suffixes."""
    figure = plot_vesicle.summary_figure(read(archive))
    left, right = figure.axes[-2:]
    assert [left.get_ylabel(), right.get_ylabel()] == ["energy of endosome 0 ($k_BT$)", "ILVs in the lumen"]
    np.testing.assert_allclose(left.lines[0].get_ydata(), np.array([3, 2, 1]) / thermal_energy(37.0))
    assert left.get_xlabel() == "time of the lipids (µs)"
    assert_within(figure, tmp_path)
    assert main(["movie", str(archive), "--output", str(tmp_path / "m.gif")]) == 0
    assert sum(durations(tmp_path / "m.gif")) == 5000
    with Image.open(tmp_path / "m.gif") as movie:
        assert movie.n_frames == 3
    with pytest.raises(ValueError, match=r"a movie is a \.gif or an \.mp4"):
        plot_vesicle.movie(read(archive), tmp_path / "m.avi")
