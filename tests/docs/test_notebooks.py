"""The notebooks of the documentation run from their first cell to their last, in a folder of their own."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    """Three of them, and none holds what an earlier run of it has shown."""
    assert len(NOTEBOOKS) == 3
    for path in NOTEBOOKS:
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert not any(cell.outputs or cell.execution_count for cell in cells), path.name


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path, tmp_path):
    """Every cell runs; the last expression of a cell shows something; the only files left are archives asked for."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    shown = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.outputs]
    assert len(shown) >= 3
    assert {file.suffix for file in tmp_path.iterdir()} <= {".h5"}


def test_lines_of_the_readme(tmp_path, monkeypatch):
    """What README shows of a notebook runs, for a time that suits a test and in the box of the notebooks, which is
    compiled already."""
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    shorter = "duration_s=0.001, geometry__box_nm=[320.0, 320.0], budding__law='cap'"
    assert "duration_s=0.02" in block
    exec(block.replace("duration_s=0.02", shorter), names := {})
    assert names["result"].config.endosomes == 2
    assert not list(tmp_path.iterdir())
