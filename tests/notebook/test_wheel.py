"""What is installed: all code, the shipped configurations and the mark of a typed package, and nothing else."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_wheel(tmp_path):
    """A wheel that is built of the sources alone holds every module and every shipped file, to the byte."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("membrane", "configs"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    # From elsewhere: a folder "build" in the checkout would hide the module.
    built = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("membrane_exosomes-*-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
        metadata = next(archive.read(name).decode() for name in archive.namelist() if name.endswith("METADATA"))
    expected = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "membrane").rglob("*.py")}
    expected |= {f"membrane/shipped/{path.name}": path for path in (ROOT / "configs").glob("*.yaml")}
    expected["membrane/py.typed"] = ROOT / "membrane" / "py.typed"
    assert set(files) == set(expected)
    assert [name for name, content in files.items() if content != expected[name].read_bytes()] == []
    for extra in ("analysis", "view"):
        assert f"Provides-Extra: {extra}" in metadata
