"""The membrane as a surface to be turned, drawn without a screen."""

import builtins

import numpy as np
import pytest
import pyvista
from test_vesicle_pictures import EPS, ILV, MIDDLE, RADIUS, archive  # noqa: F401

import membrane as mb
from membrane.archive import Archive


@pytest.fixture(autouse=True)
def _no_screen(monkeypatch):
    monkeypatch.setattr(pyvista, "OFF_SCREEN", True)


def test_vesicle(archive):  # noqa: F811
    """The limiting membrane is seen through and the vesicle in it is not; both have their size, place and colour."""
    scene = mb.read(archive).view(frame=-1)
    assert scene.screenshot(return_img=True).std() > 10
    limiting, vesicle = (actor for actor in scene.actors.values() if isinstance(actor, pyvista.Actor))
    assert limiting.prop.opacity < 0.5
    assert vesicle.prop.opacity == 1.0
    for actor, radius in ((limiting, RADIUS), (vesicle, ILV)):
        surface = actor.mapper.dataset
        used = np.unique(surface.regular_faces)
        assert len(used) > 100
        distance = np.linalg.norm(surface.points[used] - MIDDLE, axis=1)
        np.testing.assert_allclose(distance, radius, atol=0.2 * EPS)
        assert {"phi", "mean_curvature_per_nm", "vesicle"} <= set(surface.point_data)
    scene.close()


def test_sheet(tmp_path):
    """A sheet at its height, with its fields at its points."""
    random = np.random.default_rng(0)
    phi, height = random.uniform(-1, 1, (2, 8, 12)), random.normal(size=(2, 8, 12))
    with Archive.create(tmp_path / "sheet.h5", config_yaml="kind: sheet", name="sheet", seed=0) as run:
        run.add_frame(0, 0.0, {"phi": phi, "height": height})
        run.finish(status="complete", wall_time_s=1.0, units={}, grid_spacing_nm=(3.0, 4.0), number_of_endosomes=2)
    result = mb.read(tmp_path / "sheet.h5")
    scene = result.view(endosome=1)
    (surface,) = (actor.mapper.dataset for actor in scene.actors.values() if isinstance(actor, pyvista.Actor))
    assert surface.n_points == 96
    column, row = (surface.points[:, axis] / spacing for axis, spacing in ((0, 4.0), (1, 3.0)))
    column, row = column.round().astype(int), row.round().astype(int)
    np.testing.assert_allclose(surface.points[:, 2], height[1, row, column], rtol=0, atol=1e-6)
    np.testing.assert_allclose(surface.point_data["phi"], phi[1, row, column], rtol=0, atol=1e-6)
    scene.close()
    with pytest.raises(ValueError, match="no endosome 2"):
        result.view(endosome=2)
    with pytest.raises(ValueError, match="no frame 1"):
        result.view(frame=1)


def test_without_pyvista(archive, monkeypatch):  # noqa: F811
    """What is missing is said, with the command that installs it."""
    imported = builtins.__import__

    def without(name, *arguments):
        if name == "pyvista":
            raise ModuleNotFoundError("No module named 'pyvista'", name=name)
        return imported(name, *arguments)

    result = mb.read(archive)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'membrane-exosomes\[view\]'"):
        result.view()
