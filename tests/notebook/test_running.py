"""A run from a notebook: the archive of the command to the bit, nothing left behind unless asked, interruptions."""

import gc
import os
import signal
import tempfile
import textwrap
import threading

import jax
import numpy as np
import pytest
from test_run import CONFIG, assert_bitwise_equal, interrupt_after

import membrane as mb
from membrane.commands import run as command

pytestmark = pytest.mark.usefixtures("remembered_walls")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the tiny configuration."""
    folder = tmp_path_factory.mktemp("running")
    (folder / "tiny.yaml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def kept(folder):
    """The result of a run that is kept."""
    return mb.run(folder / "tiny.yaml", output=folder / "kept.h5", progress=False)


def test_same_archive_as_the_command(kept, folder):
    """``membrane.run`` and the command write the same numbers for the same configuration, to the bit."""
    assert command.main([str(folder / "tiny.yaml"), "--output", str(folder / "command.h5"), "--quiet"]) == 0
    assert_bitwise_equal(kept.path, folder / "command.h5")
    assert kept.attributes["config_yaml"] == mb.read(folder / "command.h5").attributes["config_yaml"]


def test_nothing_is_left_behind(kept, folder, tmp_path, monkeypatch):
    """Without ``output`` no file is written but in a temporary folder, which goes with the result; the numbers are the
    same. ``save`` keeps the archive, and replaces nothing."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.chdir(tmp_path)
    result = mb.run(folder / "tiny.yaml", progress=False)
    assert result.path is None
    assert [path.name for path in tmp_path.iterdir()] == ["temporary"]
    assert len(list(temporary.iterdir())) == 1
    saved = result.save(tmp_path / "saved.h5")
    assert_bitwise_equal(saved, kept.path)
    with pytest.raises(FileExistsError):
        result.save(saved)
    frames = result.frames["phi"]
    del result
    gc.collect()
    # The fields are read from the archive, which stays as long as they are needed.
    assert np.isfinite(frames.values).all()
    del frames
    gc.collect()
    assert list(temporary.iterdir()) == []


def test_existing_archives_are_not_replaced(kept, folder):
    """An archive in the way is refused; ``resume`` finds nothing to do, or extends it; without ``output`` there is
    nothing to go on with."""
    before = kept.path.read_bytes()
    with pytest.raises(mb.ArchiveError, match="exists; extend it"):
        mb.run(folder / "tiny.yaml", output=kept.path, progress=False)
    assert len(mb.run(folder / "tiny.yaml", output=kept.path, resume=True, progress=False).events) == len(kept.events)
    assert kept.path.read_bytes() == before
    with pytest.raises(mb.ConfigError, match="another configuration"):
        mb.run(folder / "tiny.yaml", output=kept.path, resume=True, progress=False, seed=4)
    with pytest.raises(mb.ArchiveError, match="name it with output="):
        mb.run(folder / "tiny.yaml", resume=True)
    with pytest.raises(ValueError, match=r"an archive is no \.yaml file"):
        mb.run(folder / "tiny.yaml", output=folder / "tiny.yaml", overwrite=True)


def test_wrong_configuration_writes_nothing(tmp_path):
    """A fault is found before any folder is made."""
    with pytest.raises(mb.ConfigError, match="did you mean"):
        mb.run("ceramide", output=tmp_path / "new" / "x.h5", tensoin_uN_per_m=3)
    assert list(tmp_path.iterdir()) == []


def test_interruption_with_output(kept, folder, monkeypatch):
    """An interrupted run keeps its checkpoint, says where, and goes on to the same archive to the bit."""
    output = folder / "interrupted.h5"
    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt, match=r"interrupted\.h5\.partial; run it again with resume=True"):
            mb.run(folder / "tiny.yaml", output=output, progress=False)
    assert signal.getsignal(signal.SIGINT) is handler
    assert not output.exists()
    assert mb.read(output).attributes["status"] == "partial"
    result = mb.run(folder / "tiny.yaml", output=output, resume=True, progress=False)
    assert result.attributes["status"] == "complete"
    assert_bitwise_equal(output, kept.path)


def test_interruption_without_output(folder, tmp_path, monkeypatch):
    """Nothing half done is kept, and it says so."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    interrupt_after(monkeypatch, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt, match="nothing is kept"):
        mb.run(folder / "tiny.yaml", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_failure_says_so(folder, monkeypatch):
    """A run that fails numerically gives what it had until then, and a warning."""
    from membrane.replica import NumericalFailure
    from membrane.sheet.replica import SheetReplica

    advance = SheetReplica.advance

    def failing(self, *arguments):
        if self.index == 1 and self.tick > 0:
            raise NumericalFailure("the step is too small", self.state)
        return advance(self, *arguments)

    monkeypatch.setattr(SheetReplica, "advance", failing)
    with pytest.warns(RuntimeWarning, match="numerical failure: the step is too small"):
        result = mb.run(folder / "tiny.yaml", progress=False)
    assert result.attributes["status"] == "failed"
    assert "failed" in repr(result).split("\n")[0]


def test_settings_of_jax_come_back(folder):
    """What else a notebook computes with jax keeps its precision. Runs of either precision may follow each other, and
    each gives what it gave before."""
    short = {"duration_s": 0.000512, "endosomes": 1, "progress": False}
    before = jax.config.jax_enable_x64
    energies = [
        mb.run(folder / "tiny.yaml", precision=precision, **short).series.free_energy_pN_nm.values
        for precision in ("float32", "float64", "float32", "float64")
    ]
    assert jax.config.jax_enable_x64 is before
    np.testing.assert_array_equal(energies[2], energies[0])
    np.testing.assert_array_equal(energies[3], energies[1])
    # Not the same noise: a random number of 64 bits is another one.
    assert (energies[0] != energies[1]).all()


def test_outside_the_main_thread(kept, folder):
    """A notebook may run a cell in another thread, where Python hears no signals."""
    results = []
    thread = threading.Thread(target=lambda: results.append(mb.run(folder / "tiny.yaml", progress=False)))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(results[0].ilvs["diameter_nm"], kept.ilvs["diameter_nm"])


def test_in_a_kernel(folder):
    """In the kernel of a notebook: it runs, shows a bar, is interrupted, and pictures appear as pictures."""
    from nbclient import NotebookClient
    from nbformat.v4 import new_code_cell, new_notebook

    cells = [
        f"""
        import membrane as mb
        result = mb.run({str(folder / "tiny.yaml")!r}, endosomes=1, duration_s=0.002)
        result
        """,
        "result.plot();",
        "result.plot_membrane()",
        f"""
        import os, signal
        from membrane.archive import Archive
        write, count = Archive.checkpoint, []
        def checkpoint(self, *content):
            write(self, *content)
            count.append(1)
            if len(count) == 2:
                os.kill(os.getpid(), signal.SIGINT)
        Archive.checkpoint = checkpoint
        try:
            mb.run({str(folder / "tiny.yaml")!r}, endosomes=1)
        except KeyboardInterrupt as stopped:
            print(stopped)
        """,
    ]
    notebook = new_notebook(cells=[new_code_cell(textwrap.dedent(cell).strip()) for cell in cells])
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    first, sizes, picture, interrupted = (cell["outputs"] for cell in notebook.cells)
    said = "".join(output.get("text", "") for output in first)
    assert "ms [" in said
    assert "100%" in said
    assert "tiny: a sheet, complete" in first[-1]["data"]["text/plain"]
    for outputs in (sizes, picture):
        assert any("image/png" in output.get("data", {}) for output in outputs)
    assert "nothing is kept" in "".join(output.get("text", "") for output in interrupted)
