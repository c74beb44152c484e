"""Range, source and trust of every key: in the schema, in docs/parameters.md, and in the warnings of the commands."""

import importlib.util
import logging
from pathlib import Path
from typing import get_args

import pytest

from membrane.builder import prediction
from membrane.commands import ensemble, predict
from membrane.config import KineticsConfig, SheetConfig, VesicleConfig, load, log_remarks
from membrane.config.faults import leaves
from membrane.config.provenance import Trust, provenances, values_outside

ROOT = Path(__file__).parents[2]
CERAMIDE, BUD = ROOT / "configs" / "ceramide.yaml", ROOT / "configs" / "vesicle_bud.yaml"
spec = importlib.util.spec_from_file_location("parameter_table", ROOT / "scripts" / "parameter_table.py")
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)

pytestmark = pytest.mark.usefixtures("settings_of_main")

KINDS = (SheetConfig, VesicleConfig, KineticsConfig)
FIELDS = {(kind, key): field for kind in KINDS for key, field in script.keys(kind)}


def test_the_document_is_what_the_script_writes():
    """docs/parameters.md is up to date, names every key of both geometries, and a table that was changed is noticed."""
    document = script.DOCUMENT.read_text()
    assert script.written(document) == document
    assert script.main(["--check"]) == 0
    assert script.written(document.replace("| 0.3 to 3 (near", "| 0.2 to 4 (near")) == document
    for kind, key in FIELDS:
        assert f"\n| `{key}` |" in document or key == "kind", (kind, key)


def test_a_changed_document_is_refused(tmp_path, monkeypatch, capsys):
    """--check says so and changes nothing; without it the tables are written."""
    document = script.DOCUMENT.read_text()
    (path := tmp_path / "parameters.md").write_text(document.replace("| 0.3 to 3 (near", "| 0.2 to 4 (near"))
    monkeypatch.setattr(script, "DOCUMENT", path)
    assert script.main(["--check"]) == 1
    assert "run it" in capsys.readouterr().err
    assert script.main([]) == script.main(["--check"]) == 0
    assert path.read_text() == document


@pytest.mark.parametrize(("kind", "key"), FIELDS, ids=lambda value: value if isinstance(value, str) else value.__name__)
def test_every_key_says_where_it_comes_from(kind, key):
    """With a word of trust that the document explains, and a range that is one."""
    known = provenances(FIELDS[kind, key])
    assert known or key == "kind"
    for each in known:
        assert each.trust in get_args(Trust)
        assert each.range is None or each.range[0] < each.range[1]
    assert set(leaves(kind)) == {other for which, other in FIELDS if which is kind}


RANGED = {key: known for (kind, key), field in FIELDS.items() if kind is SheetConfig
          for known in [[p for p in provenances(field) if p.range]] if known and not known[0].of}  # fmt: skip


@pytest.mark.parametrize("key", RANGED)
def test_what_lies_outside_is_named(key):
    """Both ends of every range are inside; beyond all of them the line names key, value, range and source."""
    config = load(CERAMIDE)
    *path, last = key.split(".")
    section = config
    for part in path:
        section = getattr(section, part)
    # Past validation: some ranges end where the schema does.
    said = lambda value: values_outside(section.model_copy(update={last: value}))
    for known in RANGED[key]:
        assert not [line for line in said(known.range[0]) + said(known.range[1]) if line.startswith(f"{last} ")]
    lowest, highest = min(k.range[0] for k in RANGED[key]), max(k.range[1] for k in RANGED[key])
    for value in (lowest - 0.5, highest + 0.5):
        (line,) = [line for line in said(value) if line.startswith(f"{last} ")]
        assert line.startswith(f"{last} {value:g} lies outside its documented range, ")
        for known in RANGED[key]:
            assert f"{known.range[0]:g} to {known.range[1]:g}" in line
            assert known.source.replace("**", "") in line


def test_ranges_of_what_is_computed():
    """A box by the sphere of its area, a contrast by kappa_Ld; none set is none outside."""
    keys = lambda *settings: [line.split(" ")[0] for line in values_outside(load(CERAMIDE, settings))]
    assert keys() == ["lipids.diffusion_ld_um2_per_s"]
    assert "geometry.box_nm" in keys("geometry.box_nm=[300, 300]")
    assert "geometry.box_nm" not in keys("geometry.box_nm=[400, 400]")
    assert "membrane.gaussian_modulus_contrast_kBT" in keys("membrane.gaussian_modulus_contrast_kBT=-100")
    assert "membrane.gaussian_modulus_contrast_kBT" not in keys("membrane.gaussian_modulus_contrast_kBT=-72")
    assert "membrane.bending_rigidity_lo_kBT" in keys("membrane.bending_rigidity_lo_kBT=30")
    assert "geometry.shape.diameter_nm" in [line.split(" ")[0] for line in values_outside(load(BUD))]


def test_every_key_is_told_once(caplog):
    """As a warning; a section that supply speaks of and that is absent as information."""
    caplog.set_level(logging.INFO, "membrane")
    log_remarks(load(CERAMIDE, ["ceramide=null", "membrane.tension_uN_per_m=1000"]), "a.yaml")
    told = {(record.levelname, record.getMessage()[:60]) for record in caplog.records}
    assert len(told) == len(caplog.records) == 4
    assert ("WARNING", "a.yaml: membrane.tension_uN_per_m 1000 lies outside its docu") in told
    assert ("INFO", "a.yaml: supply.ceramide_luminal_fraction has no effect, sinc") in told


def test_ensemble_and_predict_say_it_once(tmp_path, monkeypatch, capsys):
    """Of the base, however many members there are; run does so, too (test_fuzz)."""
    monkeypatch.chdir(tmp_path)
    (path := tmp_path / "sweep.yaml").write_text(
        f"name: s\nbase: {CERAMIDE}\nset: {{membrane.tension_uN_per_m: 1000}}\n"
        "vary: {grid: {endosomes: [1, 2, 3]}}\n"
    )
    assert ensemble.main([str(path), "--dry-run", "--trial", "0"]) == 0
    assert capsys.readouterr().err.count("membrane.tension_uN_per_m 1000 lies outside") == 1
    monkeypatch.setattr(prediction, "predict", lambda config, diameters: None)
    monkeypatch.setattr(predict, "report", lambda prediction: "answer")
    assert predict.main([str(CERAMIDE), "--set", "tension_uN_per_m=1000"]) == 0
    said = capsys.readouterr()
    assert said.err.count("membrane.tension_uN_per_m 1000 lies outside") == 1
    assert said.out == "answer\n"
