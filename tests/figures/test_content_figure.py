"""The picture of what ILVs carry: points are the columns of the events, densities and bands those that are named."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import yaml

from membrane.archive import Archive, RunRecord, read
from membrane.archive.record import Frames
from membrane.figures.content import BANDS_G_PER_ML, cargo_copies, content_figure, enriched_over_host
from membrane.outcome.content import fano_factor
from membrane.outcome.density import shell_density
from membrane.outcome.table import EVENT_DTYPE

SCRIPT = Path(__file__).parents[2] / "scripts/figure_content.py"


def events(n, **columns):
    rows = np.zeros(n, EVENT_DTYPE)
    for name in EVENT_DTYPE.names:
        if rows.dtype[name].kind == "f":
            rows[name] = np.nan
    rows["direction"] = 1
    for name, values in columns.items():
        rows[name] = values
    return rows


def record(rows, series=None, config=None):
    attributes = {"config_yaml": yaml.safe_dump(config or {})}
    nothing = Frames([], np.zeros(0), ())
    return RunRecord(Path("a.h5"), attributes, rows, series or {}, {}, nothing, None)


@pytest.fixture
def full():
    rng = np.random.default_rng(3)
    diameter = rng.uniform(45, 80, 30)
    area = np.pi * diameter**2
    rows = events(
        30,
        time_s=np.linspace(0.05, 0.95, 30),
        endosome=np.arange(30) % 2,
        diameter_nm=diameter,
        area_nm2=area,
        lipid_copies=4.5 * area,
        lo_fraction=0.9,
        ceramide_cytosolic_fraction=0.12,
        ceramide_luminal_fraction=0.01,
        cargo_monomer_copies=0.001 * area,
        cargo_oligomer_copies=0.012 * area,
        density_g_per_ml=shell_density(diameter + 5, shell_g_per_ml=1.16, lumen_g_per_ml=1.06),
    )
    half = {"time_s": np.linspace(0, 1, 11)} | {
        name: np.full((11, 2), value)
        for name, value in {
            "mean_ceramide_cytosolic": 0.04,
            "mean_cargo_monomer": 0.01,
            "mean_cargo_oligomer": 0.03,
            "lo_fraction": 0.3,
        }.items()
    }
    config = {
        "cargo": {"footprint_nm2": 10.0},
        "budding": {"shell_density_g_per_ml": 1.16, "lumen_density_g_per_ml": 1.06},
    }
    return record(rows, half, config)


def test_points_are_the_columns(full):
    figure = content_figure(full)
    lipids, ceramide, lo, cargo, enriched, _ = figure.axes
    diameter = full.ilvs["diameter_nm"]
    assert np.array_equal(lipids.lines[0].get_data(), [diameter, full.ilvs["lipid_copies"] / 1e3])
    assert [line.get_label() for line in ceramide.lines] == ["cytosolic", "luminal"]
    np.testing.assert_allclose(ceramide.lines[0].get_ydata(), 12.0)
    np.testing.assert_allclose(lo.lines[0].get_ydata(), 90.0)
    copies = 0.013 * np.pi * diameter**2
    np.testing.assert_allclose(cargo.lines[0].get_ydata(), copies)
    # Copies in proportion to the area vary with it only.
    assert cargo.get_title().startswith(f"Fano factor {fano_factor(copies):.2g}\n")
    assert float(cargo.get_title().split("\n")[1].split()[0]) < 1e-9
    for axes in (lipids, ceramide, lo, cargo, enriched):
        low, high = axes.get_ylim()
        assert all(low <= y <= high for line in axes.lines for y in np.ravel(line.get_ydata()))


def test_enrichment_over_the_host(full):
    """Area fractions of the ILV over those of the limiting membrane: cargo by its footprint."""
    found = enriched_over_host(full, full.ilvs)
    assert set(found) == {"ceramide", "cargo", "Lo"}
    np.testing.assert_allclose(found["ceramide"], 0.12 / 0.04)
    np.testing.assert_allclose(found["cargo"], 0.013 * 10 / 0.04)
    np.testing.assert_allclose(found["Lo"], 3.0)


@pytest.mark.parametrize("medium", BANDS_G_PER_ML)
@pytest.mark.parametrize(("shell", "lumen"), [(np.nan, np.nan), (1.12, 1.04)])
def test_densities_beside_the_bands_of_the_medium(full, medium, shell, lumen):
    axes = content_figure(full, medium=medium, shell_g_per_ml=shell, lumen_g_per_ml=lumen).axes[5]
    own = (1.16, 1.06) if np.isnan(shell) else (shell, lumen)
    assert axes.get_title() == f"bands in {medium}\nILVs: shell {own[0]:g}, lumen {own[1]:g} g/ml"
    expected = shell_density(full.ilvs["diameter_nm"] + 5, shell_g_per_ml=own[0], lumen_g_per_ml=own[1])
    bars = [bar for bar in axes.patches if 0 < bar.get_width() < 0.003]
    assert sum(bar.get_height() for bar in bars) == 30
    middle = sum((bar.get_x() + 0.00125) * bar.get_height() for bar in bars) / 30
    assert middle == pytest.approx(expected.mean(), abs=0.00125)
    assert {text.get_text() for text in axes.texts} >= {whose for *_, whose in BANDS_G_PER_ML[medium]}


def test_a_run_without_ceramide_cargo_and_density():
    """Panels of what is not there say so; a vesicle's run has no density and no series of means."""
    rows = events(4, diameter_nm=[50, 60, 70, 8], area_nm2=1e4, lipid_copies=4e4, lo_fraction=0.5)
    figure = content_figure(record(rows, {"time_s": np.zeros(1)}))
    said = [axes for axes in figure.axes if any(text.get_text() == "not in this run" for text in axes.texts)]
    assert said == [figure.axes[place] for place in (1, 3, 4, 5)]
    assert np.isnan(cargo_copies(rows)).all()


def test_what_is_refused(full):
    with pytest.raises(ValueError, match="no ILV of known size"):
        content_figure(record(events(0)))
    with pytest.raises(ValueError, match="there are sucrose, iodixanol"):
        content_figure(full, medium="water")
    with pytest.raises(ValueError, match="both shell and lumen"):
        content_figure(full, shell_g_per_ml=1.1)


def test_script(tmp_path, full, capsys):
    """The script draws beside the archive; without ILVs it ends with exit code 2 and leaves nothing."""
    spec = importlib.util.spec_from_file_location("figure_content", SCRIPT)
    spec.loader.exec_module(script := importlib.util.module_from_spec(spec))
    for name, rows in (("some", full.ilvs), ("none", full.ilvs[:0])):
        with Archive.create(
            tmp_path / f"{name}.h5", config_yaml="cargo: {footprint_nm2: 10.0}", name=name, seed=0
        ) as run:
            run.checkpoint([{"x": np.zeros(1)}] * 2, {}, rows, full.series)
            run.finish(status="complete", wall_time_s=1.0, units={}, grid_spacing_nm=(8.0, 8.0), number_of_endosomes=2)
        assert len(read(tmp_path / f"{name}.h5").ilvs) == len(rows)
    assert script.main([str(tmp_path / "some.h5"), "--medium", "iodixanol"]) == 0
    assert script.main([str(tmp_path / "none.h5")]) == 2
    assert "no ILV of known size" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.glob("*content*")) == ["some-content.pdf", "some-content.png"]
