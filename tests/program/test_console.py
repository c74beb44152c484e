"""What all commands share, whatever becomes of their streams, their signals, their system and what jax finds there."""

import errno
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import pytest

from membrane.archive import Archive, ArchiveError, files, owner_pid, ownership
from membrane.archive.ownership import take_lock
from membrane.program import backend, cores
from membrane.program.console import COMPLETE, FAILED, INTERRUPTED, command, set_up_logging
from membrane.program.stop import Stop

ROOT = Path(__file__).parents[2]


def python(code, *options, **environment):
    """A process that runs ``code``: its exit code and what it said."""
    known = {"PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(
        [sys.executable, *options, "-c", code], env={**os.environ, **known}, capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


SAYS = """
import sys
from membrane.program.console import command
def body():
    print("much " * 100_000)
    print("warned", file=sys.stderr)
    open(sys.argv[1], "w").write("written")
    return 0
sys.exit(command("membrane.x", body))
"""


@pytest.mark.parametrize(
    ("stream", "code"), [(">/dev/full", FAILED), ("2>/dev/full", COMPLETE), (">&-", COMPLETE), ("2>&-", COMPLETE)]
)
def test_streams_that_fail(tmp_path, stream, code):
    """A full or closed stream stops no work, and leaves no traceback; lost output is said, with exit code 3."""
    shell = f'{sys.executable} -c "$0" {tmp_path}/made {stream}'
    done = subprocess.run(
        ["bash", "-c", shell, SAYS], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == code
    assert (tmp_path / "made").read_text() == "written"
    assert "Traceback" not in done.stderr + done.stdout
    assert "Exception ignored" not in done.stderr
    assert ("No space left" in done.stderr) == (code == FAILED)


def test_a_reader_that_goes_away(tmp_path):
    """``| head``: silence, and the code of the work."""
    shell = f'{sys.executable} -c "$0" {tmp_path}/made | head -c 1; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", shell, SAYS], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (COMPLETE, "m", "warned\n")
    assert (tmp_path / "made").exists()


def test_interrupted_in_words(capsys):
    """Ctrl-C that a command leaves to us: one line and 75."""

    def body():
        raise KeyboardInterrupt

    assert command("membrane.x", body) == INTERRUPTED
    assert capsys.readouterr().err == "membrane.x: interrupted\n"


@pytest.mark.parametrize("quiet", [False, True])
def test_only_what_users_need_is_shown(settings_of_main, capsys, quiet):
    """Lines of this package, unless it is to be quiet; of other libraries only warnings."""
    set_up_logging(quiet)
    for name in ("membrane", "fontTools.subset"):
        logging.getLogger(name).info("%s says", name)
        logging.getLogger(name).warning("%s warns", name)
    shown = [] if quiet else ["membrane says"]
    assert capsys.readouterr().err.splitlines() == [*shown, "membrane warns", "fontTools.subset warns"]


@pytest.mark.parametrize("number", Stop.signals)
def test_stop_has_two_phases(number):
    """At first a signal ends what is going on, from `begin` on it is noted; handlers are put back."""
    before = signal.getsignal(number)
    with Stop() as stop:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        # One that Python has swallowed is not lost.
        with pytest.raises(KeyboardInterrupt):
            stop.begin()
    with Stop() as stop:
        stop.begin()
        assert not stop()
        os.kill(os.getpid(), number)
        assert stop()
        assert number.name in stop.reason
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("number", Stop.signals)
def test_the_process_of_a_command_ends_at_once(number):
    """Before its run begins, in the middle of whatever it does."""
    # A call into C that hears no Python handler until it is over.
    code = "import os, re; from membrane.program import stop\nstop.let_interrupt_end_process()\nwith stop.Stop():\n"
    code += f"    os.kill(os.getpid(), {int(number)}); re.match('(a*)*b', 'a' * 40)"
    assert python(code) == (-number, "", "")


def test_nohup_is_respected():
    """SIGHUP that the process was told to ignore is ignored, before and after the run begins."""
    code = "import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    code += "from membrane.program.stop import Stop, let_interrupt_end_process\nlet_interrupt_end_process()\n"
    code += "with Stop() as stop:\n    os.kill(os.getpid(), signal.SIGHUP); stop.begin()\n"
    code += "    os.kill(os.getpid(), signal.SIGHUP); print(stop())"
    assert python(code) == (0, "False\n", "")


def test_stop_outside_the_main_thread():
    """Only the wall time counts there."""
    found = []

    def body():
        with Stop(0.0) as stop:
            stop.begin()
            found.append(stop())

    (thread := threading.Thread(target=body)).start()
    thread.join()
    assert found == [True]


# The environment ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [AssertionError(), RuntimeError("Unknown backend 'cuda'"), KeyError("cuda")])
def test_no_such_device(monkeypatch, error):
    """Whatever jax raises where JAX_PLATFORMS names what is not there: one sentence with the remedy."""

    def raises():
        raise error

    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    monkeypatch.setattr(jax, "default_backend", raises)
    with pytest.raises(backend.BackendError, match=r"JAX_PLATFORMS=cuda: .*set it to cpu, .*pip install") as caught:
        backend.set_up_jax()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("program", ["run", "predict"])
def test_no_such_device_in_a_command(program):
    """Exit 2, one line, no traceback."""
    code = f"from membrane.commands.entry import start; start('{program}', '{ROOT}/configs/ceramide.yaml')"
    status, said, faults = python(code, JAX_PLATFORMS="cuda")
    assert (status, said) == (2, "")
    assert faults.startswith(f"membrane {program}: JAX_PLATFORMS=cuda: ")
    assert faults.count("\n") == 1


def test_the_cache_of_programs(settings_of_main, tmp_path, caplog):
    """The folder that the user names is taken; one that cannot be made is no fault."""
    for folder, kept in ((tmp_path / "mine", True), (Path("/proc/mine"), False)):
        jax.config.update("jax_compilation_cache_dir", str(folder))
        backend.set_up_jax()
        assert jax.config.jax_compilation_cache_dir == (str(folder) if kept else None)
    assert "JAX_COMPILATION_CACHE_DIR names another folder" in caplog.text


def test_importing_changes_nothing():
    """The commands alter no environment when they are imported; they run without docstrings and assertions."""
    code = "import importlib, os, sys; before = dict(os.environ)\nfrom membrane.commands.entry import COMMANDS\n"
    code += "modules = [importlib.import_module(f'membrane.commands.{name}') for name in COMMANDS]\n"
    code += "heavy = {'jax', 'matplotlib'} & set(sys.modules)\n"
    code += "if heavy or before != dict(os.environ): sys.exit(1)\n"
    code += "for module in modules:\n    module._parser().format_help()"
    assert python(code, "-OO") == (0, "", "")


def test_importing_the_physics_starts_no_device():
    """The environment of JAX can be set up after the import of all that a run needs."""
    code = "import membrane.program.launch, sys\nfrom jax._src import xla_bridge\nsys.exit(bool(xla_bridge._backends))"
    assert python(code) == (0, "", "")


@pytest.mark.parametrize("text", ["x", "0", "-3", "1e3", "4(x2)", "9" * 40])
def test_slurm_says_nonsense(monkeypatch, caplog, text):
    """Passed over with one warning that names it."""
    cores._warn.cache_clear()
    ownership._warn_weaker_guarantee.cache_clear()
    monkeypatch.delenv("SLURM_CPUS_ON_NODE", raising=False)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    known = cores.cores()
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", text)
    assert cores.cores() == cores.cores() == known
    assert caplog.text.count(f"SLURM_CPUS_PER_TASK={text}") == 1
    monkeypatch.setenv("SLURM_RESTART_COUNT", text)
    assert ownership._slurm_restart() == ownership._slurm_restart() == 0
    assert caplog.text.count(f"SLURM_RESTART_COUNT={text}") == (text != "0")


@pytest.mark.parametrize(
    ("given", "expected", "warned"),
    [
        ("", [], False),
        ("0,1", ["0", "1"], False),
        (" 0 , 1,", ["0", "1"], False),
        ("0,0,1", ["0", "1"], False),
        ("GPU-8932f937,MIG-1/2", ["GPU-8932f937", "MIG-1/2"], False),
        ("-1", [], False),
        ("NoDevFiles", [], False),
        ("1,-1,2", ["1"], False),
        ("0,x,1", ["0"], True),
        ("all", [], True),
    ],
)
def test_odd_gpus(monkeypatch, caplog, given, expected, warned):
    """As CUDA reads them: up to the first that is none."""
    cores._warn.cache_clear()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert cores.devices() == expected
    assert ("passed over" in caplog.text) == warned


# File systems ------------------------------------------------------------------------------------------------------

MISSING = [errno.ENOTSUP, errno.ENOSYS, errno.EINVAL]


def refuses(number):
    """A function of the system that this file system does not know."""

    def function(*_, **__):
        raise OSError(number, os.strerror(number))

    return function


@pytest.fixture(autouse=True)
def _warn_again():
    ownership._warn_weaker_guarantee.cache_clear()
    files._warn_unsynced.cache_clear()


def make(path):
    """A run that begins, saves, is left, and is resumed twice."""
    with Archive.create(path, config_yaml="", name="x", seed=0):
        pass
    for _ in range(2):
        with Archive.resume(path):
            assert owner_pid(path) == os.getpid()


@pytest.mark.parametrize("number", MISSING)
def test_without_hard_links(tmp_path, monkeypatch, caplog, number):
    """Locks work, one owner at a time; one warning names what is weaker."""
    monkeypatch.setattr(os, "link", refuses(number))
    make(tmp_path / "run.h5")
    with Archive.resume(tmp_path / "run.h5"), pytest.raises(ArchiveError, match="in use"):
        Archive.resume(tmp_path / "run.h5")
    assert caplog.text.count("no hard links") == 1


@pytest.mark.parametrize("number", MISSING)
def test_without_flock(tmp_path, monkeypatch, caplog, number):
    """The lock of a dead process is taken over; one warning names what is weaker."""
    monkeypatch.setattr(ownership.fcntl, "flock", refuses(number))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    owner = {"host": socket.gethostname(), "pid": dead.pid, "born": "1", "started_utc": "then"}
    for name in ("a", "b"):
        (folder := tmp_path / name).mkdir()
        (folder / "lock").write_text(json.dumps(owner))
        take_lock(folder)
        assert json.loads((folder / "lock").read_text())["pid"] == os.getpid()
        with pytest.raises(ArchiveError, match="in use"):
            take_lock(folder)
    assert caplog.text.count("no flock") == 1


@pytest.mark.parametrize("number", MISSING)
def test_without_fsync_of_folders(tmp_path, monkeypatch, caplog, number):
    """Files are forced to disk, and what is wrong with them still counts; one warning names what is weaker."""
    fsync = os.fsync
    folders = lambda file: refuses(number)() if os.path.isdir(f"/proc/self/fd/{file}") else fsync(file)
    monkeypatch.setattr(os, "fsync", folders)
    make(tmp_path / "run.h5")
    assert caplog.text.count("force the names") == 1
    monkeypatch.setattr(os, "fsync", refuses(errno.EIO))
    with pytest.raises(ArchiveError, match="Input/output"):
        make(tmp_path / "other.h5")


GARBAGE = ["", "{}", "[1]", "12", "null", "\0\1", '{"host": 1}'] + [
    json.dumps({"host": socket.gethostname(), "pid": pid, "started_utc": "now"})
    for pid in ("x", "12", None, -1, 0, 1.5, True, [3])
]


@pytest.mark.parametrize("text", GARBAGE)
def test_a_lock_that_names_no_process(tmp_path, text, caplog):
    """While it may be half written it is refused in one sentence with the remedy, and left as it is; an old one is
    passed over with a warning."""
    (lock := tmp_path / "lock").write_text(text)
    with pytest.raises(ArchiveError, match="delete it if none is writing there"):
        take_lock(tmp_path)
    assert lock.read_text() == text
    os.utime(lock, (time.time() - 61,) * 2)
    with caplog.at_level(logging.WARNING, logger="membrane"):
        take_lock(tmp_path)
    assert "names no process" in caplog.text
    assert json.loads(lock.read_text())["pid"] == os.getpid()
    assert [p.name for p in tmp_path.iterdir()] == ["lock"]


# Windows -----------------------------------------------------------------------------------------------------------

WINDOWS = """
import os, signal, sys
import numpy, h5py, yaml, scipy.stats, skimage.measure, tqdm, pydantic, platformdirs, jax, equinox
for name in ("fcntl", "resource", "pwd", "grp"):
    sys.modules[name] = None
for name in ("SIGUSR1", "SIGUSR2", "SIGHUP"):
    delattr(signal, name)
for name in ("sched_getaffinity", "kill", "link", "fork"):
    delattr(os, name)
sys.platform = "win32"
from membrane import archive
from membrane.commands import collect, ensemble, predict, run
record = archive.read(sys.argv[1])
print(record.attributes["name"], archive.run_status(sys.argv[1]).status)
print(run.main(["x.yaml"]), ensemble.main(["x.yaml"]), collect.main(["x.yaml"]))
"""


def test_windows(tmp_path):
    """Without the modules, functions and signals that Windows lacks, all can be imported and archives are read; run
    and ensemble say in one sentence what helps."""
    archive = Archive.create(tmp_path / "a.h5", config_yaml="duration_s: 1.0", name="mine", seed=0)
    archive.finish(status="complete", wall_time_s=1.0, units={}, grid_spacing_nm=(1.0, 1.0), number_of_endosomes=1)
    done = subprocess.run(
        [sys.executable, "-c", WINDOWS, str(tmp_path / "a.h5")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "mine complete\n2 2 2\n", done.stderr
    assert done.stderr.count("use WSL") == 2
    assert "Traceback" not in done.stderr
