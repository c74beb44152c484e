"""How far a run is: on a terminal of any width, in a pipe, in a notebook."""

import fcntl
import logging
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

SCRIPT = """
import logging, sys
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
from membrane.program.progress import Progress
progress = Progress("demo", duration_s=0.06, begun_s=0.0, quiet=False)
progress.show(0.0, 0)
progress.show(0.03, 1)
progress.saved(0.06, 3)
progress.close()
"""


def on_terminal(columns):
    """What the script says on a terminal of so many columns."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stderr=side, stdout=side)
    os.close(side)
    said = b""
    while True:
        try:
            said += os.read(main, 4096)
        except OSError:
            break
    assert process.wait() == 0
    return said.decode()


@pytest.mark.parametrize("columns", [0, 20, 80, 300])
def test_terminal_of_any_width(columns):
    """The bar begins with compiling, ends at all of the run in ms of an endosome, and is no wider than the terminal."""
    said = on_terminal(columns)
    assert "Traceback" not in said
    if columns != 20:
        for words in ("compiling ...", "60/60 ms", "3 ILVs", "100%"):
            assert words in said
    if columns:
        assert max(map(len, said.replace("\n", "\r").split("\r"))) <= columns


def test_pipe():
    """No bar where nobody sees it: a line that says what takes long, and one a checkpoint."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    compiling, saved = done.stderr.splitlines()
    assert compiling == "demo: compiling ..."
    assert saved.startswith("t = 60 of 60 ms, 3 ILVs, checkpoint saved, ")


def test_a_long_silence_is_broken(monkeypatch, caplog):
    """Between checkpoints that are far apart a line comes every half minute."""
    from membrane.program import progress

    # Another test of this process may have loaded what tells a notebook.
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    with caplog.at_level(logging.INFO, logger="membrane"):
        bar = progress.Progress("demo", duration_s=0.06, begun_s=0.0, quiet=False)
        bar.show(0.03, 1)
    assert [r.getMessage().split(",")[0] for r in caplog.records] == ["demo: compiling ...", "t = 30 of 60 ms"]


def test_notebook():
    """In the process of a notebook there is a bar, although its streams are no terminals."""
    script = "import sys, types; sys.modules['ipykernel'] = types.ModuleType('ipykernel')" + SCRIPT
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert "compiling ..." in done.stderr
    assert "60/60 ms" in done.stderr
