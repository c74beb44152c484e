"""A box in slabs over devices. What needs several runs in a process of its own, forced_devices.py, for jax must know
how many CPU devices to make before it starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_vesicle_run import CONFIG, start

from membrane.bud.exact.compiled import OPTIONS
from membrane.config import ConfigError, parse
from membrane.lattice.grid import Grid

FORCED = Path(__file__).parent / "forced_devices.py"


@pytest.mark.parametrize("marked", ["not slow", pytest.param("slow", marks=pytest.mark.slow)])
def test_on_four_devices(marked):
    """All tests of forced_devices.py pass."""
    # Most of the time is compilation: little of it is spent on speed.
    flags = "--xla_force_host_platform_device_count=4 --xla_cpu_multi_thread_eigen=false"
    flags += " --xla_backend_optimization_level=0"
    flags += "".join(f" --{name}={value}".lower() for name, value in OPTIONS.items())
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-m", marked, str(FORCED)]
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=FORCED.parents[2])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("shape", "devices"), [((32, 32), 2), ((24, 32, 32), 3), ((24, 32, 30), 0)])
def test_what_cannot_be_cut(shape, devices):
    """A plane, and a box whose n_z or n_y the devices do not divide."""
    with pytest.raises(ValueError, match=f"{devices} devices cannot share"):
        Grid(shape, (1.0,) * len(shape), devices=devices)


def test_devices_are_part_of_the_grid():
    """Programs for one number of devices are no programs for another."""
    one, two = Grid((16, 16, 16), (1.0, 1.0, 1.0)), Grid((16, 16, 16), (1.0, 1.0, 1.0), devices=2)
    assert one != two
    assert "devices" not in repr(one)
    assert eval(repr(two)) == two


def test_configured_devices():
    """The key, and what its fault says: what was given, what is possible."""
    assert parse(CONFIG).numerics.devices == 1
    assert parse(CONFIG, ["numerics.devices=4"]).numerics.devices == 4
    with pytest.raises(ConfigError, match="devices 3 must divide the points along z and y, 32 and 32: give 1, 2,"):
        parse(CONFIG, ["numerics.devices=3"])


def test_more_devices_than_there_are(settings_of_main, tmp_path, capsys):
    """Exit code 2, what was found and the remedy; nothing is written."""
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    assert start(tmp_path / "tiny.yaml", tmp_path / "out.h5", "--set", "numerics.devices=32") == 2
    said = capsys.readouterr().err
    assert "32 devices asked for" in said
    assert "xla_force_host_platform_device_count=32" in said
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]
