"""The shipped ceramide quenches: both configurations are checked in words; the small one makes an ILV."""

import importlib.util
from pathlib import Path

import h5py
import jax.numpy as jnp
import numpy as np
import pytest

from membrane.archive import read
from membrane.builder import build
from membrane.commands import run
from membrane.config import load, parse
from membrane.outcome.table import MECHANISMS
from membrane.program import launch

FOLDER = Path(__file__).parents[2]
SMALL, LARGE = FOLDER / "configs/vesicle_ceramide_small.yaml", FOLDER / "configs/vesicle_ceramide.yaml"

spec = importlib.util.spec_from_file_location("sheet_and_vesicle", FOLDER / "scripts/sheet_and_vesicle.py")
side_by_side = importlib.util.module_from_spec(spec)
spec.loader.exec_module(side_by_side)


@pytest.mark.fast_compilation
@pytest.mark.parametrize(("path", "box", "diameter"), [(SMALL, 128, 79), (LARGE, 96, 55)], ids=["small", "large"])
def test_check_of_a_quench(path, box, diameter, capsys, settings_of_main):
    """--check, on 32^3 points: one vesicle of the diameter and Lo share asked for, its rounds, its memory."""
    shrunk = [f"geometry.box_nm=[{box},{box},{box}]", f"geometry.shape.diameter_nm={diameter}"]
    assert run.main([str(path), "--check", *(word for key in shrunk for word in ("--set", key))]) == 0
    said = capsys.readouterr().out
    assert f"diameter {diameter}.0 nm, Lo share 0.300" in said
    assert "rounds: " in said
    assert "memory: " in said


def test_both_quenches_ask_the_same_of_the_membrane():
    """Lipids apart from the numerical width, ceramide and elasticity of the large run are those of the small one; all
    curvature comes from ceramide."""
    small, large = (load(path).model_dump() for path in (SMALL, LARGE))
    for section in ("lipids", "membrane"):
        for config in (small, large):
            del config[section]["interface_width_nm"]
    for section in ("composition", "lipids", "membrane", "ceramide", "temperature_C"):
        assert small[section] == large[section]
    assert load(SMALL).membrane.spontaneous_curvature_lo_per_nm == 0


def test_the_sheet_beside_the_vesicle():
    """Area, lipids, ceramide and wall of the vesicle; no flow, no noise, tension at rest when a third of the membrane
    has left; line tension of the mixture above the bare one. A cap and a slab are refused in words."""
    config = load(SMALL)
    sheet = parse(side_by_side.yaml.safe_dump(side_by_side.sheet_of(config, 3, 5.0, 1.0)))
    assert np.prod(sheet.geometry.box_nm) == pytest.approx(np.pi * 207**2, rel=1e-5)
    assert sheet.ceramide == config.ceramide
    assert sheet.lipids.line_tension_pN == config.lipids.line_tension_pN
    physics = build(sheet)
    assert (physics.model.flow, physics.model.noise) == (None, None)
    assert physics.wall.line_tension > 1.2 * config.lipids.line_tension_pN
    assert physics.wall.lo["ceramide_cytosolic"] > 10 * physics.wall.ld["ceramide_cytosolic"]
    endosome = physics.new_endosome()
    rest = endosome.tension
    for _ in range(4):
        endosome.release(np.pi * 60.0**2, 60.0, 1)
    assert endosome.tension == rest
    held = [
        "membrane.tension_uN_per_m=3",
        "membrane.osmosis.modulus_kPa=100",
        "supply={reserve_fraction: 0.2, order: -0.9}",
    ]
    same = parse(side_by_side.yaml.safe_dump(side_by_side.sheet_of(load(SMALL, held), 3, 5.0, 1.0)))
    assert (same.membrane.tension_uN_per_m, same.supply.reserve_fraction, same.supply.order) == (3.0, 0.2, -0.9)
    with pytest.raises(ValueError, match="no sheet stands for it"):
        side_by_side.sheet_of(load(SMALL, held[1:2]), 3, 5.0, 1.0)
    slab = load(SMALL, ["geometry.shape={kind: slab, thickness_nm: 100}"])
    with pytest.raises(ValueError, match="a slab is not closed"):
        side_by_side.sheet_of(slab, 3, 5.0, 1.0)
    with pytest.raises(ValueError, match="a sheet starts mixed"):
        side_by_side.sheet_of(load(FOLDER / "configs/vesicle_bud.yaml"), 3, 5.0, 1.0)


@pytest.mark.slow
def test_the_small_quench_makes_an_ilv(tmp_path, settings_of_main):
    """At least three ILVs by resolved fission, of 24 to 60 nm, rich in Lo and ceramide; as many rows as ILVs in the
    lumen at every later look; int W phi at the relaxed area is at the end what it was at the start, and every membrane
    has of every species what it is to keep, to 1e-4 of all there is; the shape goes on moving after the fission."""
    settings_of_main.setattr(launch, "summarise", lambda output, picture: None)
    output = tmp_path / "quench.h5"
    assert run.main([str(SMALL), "--output", str(output), "--quiet"]) == 0
    made_an_ilv(output)


def made_an_ilv(output):
    """The assertions of the test above on an archive."""
    record = read(output)
    ilvs, series = (
        record.ilvs,
        {name: np.asarray(values)[:, 0] for name, values in record.series.items() if np.ndim(values) == 2},
    )
    assert len(ilvs) >= 3
    assert (ilvs["mechanism"] == MECHANISMS["resolved"]).all()
    first = ilvs[0]
    assert ((24 < ilvs["diameter_nm"]) & (ilvs["diameter_nm"] < 60)).all()
    assert (ilvs["lo_fraction"] > 0.75).all()
    time = np.asarray(record.series["time_s"])
    share = series["ceramide_cytosolic_content_nm2"] / (series["membrane_area_nm2"] + series["ilv_area_nm2"])
    assert first["ceramide_cytosolic_fraction"] > 2 * share[np.searchsorted(time, first["time_s"]) - 1]
    assert len(ilvs) == len(record.events)
    after = time >= first["time_s"]
    assert (series["ilv_number"] == series["ilv_count"])[after].all()
    assert np.count_nonzero(series["ilv_number"] == 1) > 5
    tried = np.diff(series["shape_steps"][after])
    assert np.diff(series["refused_steps"][after]).sum() < 0.5 * tried.sum()
    physics = build(parse(record.attributes["config_yaml"]))
    with h5py.File(output) as file:
        saved = file["checkpoint"]
        groups = []
        saved.visititems(lambda name, item: groups.append(item.parent) if name.endswith("psi") else None)
        psi, fields, labels, content, area = (
            jnp.asarray(groups[0][name][()])
            for name in ("psi", "fields", "books.labels", "books.content", "books.area")
        )
    strained = physics.membrane.conserved(psi, fields, labels, content.shape[1])
    found = strained.content * area / strained.area
    off = np.abs(np.asarray(found - content)).max(1)
    assert (off < 1e-4 * np.abs(np.asarray(content)).sum(1)).all()
    # Nothing makes or removes Lo. What is kept of ceramide grows by what the enzyme makes.
    assert float(found[0].sum()) == pytest.approx(float(physics.initial_state(0).conserved.lo.sum()), rel=1e-4)
