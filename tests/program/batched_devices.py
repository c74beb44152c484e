"""Batches over CPU devices, which XLA_FLAGS has to ask for before jax starts: run by test_batch.py.

A batch is the same arithmetic for many endosomes at once, which the compiler may order in another way: equal to
rounding.
"""

import signal

import jax
import numpy as np
import pytest
from test_run import CONFIG, assert_bitwise_equal, everything, interrupt_after, start

pytestmark = pytest.mark.usefixtures("remembered_walls")

OPTIONS = (
    "--no-picture",
    "--set",
    "endosomes=5",
    "--set",
    "duration_s=0.001024",
    "--set",
    "numerics.precision=float64",
)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Path of the tiny configuration with checkpoints in its middle."""
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(CONFIG.replace("checkpoint_interval_ms: 1.024", "checkpoint_interval_ms: 0.512"))
    return path


@pytest.fixture(scope="module")
def alone(config, tmp_path_factory):
    """The archive of five endosomes that were advanced one by one."""
    output = tmp_path_factory.mktemp("alone") / "alone.h5"
    assert start(config, output, *OPTIONS) == 0
    return output


def assert_equal_to_rounding(path, reference):
    """Every data set of two archives."""
    found, expected = everything(path), everything(reference)
    assert found.keys() == expected.keys()
    assert len(expected["events"]) > 0
    for name, wanted in expected.items():
        columns = wanted.dtype.names or (...,)
        for column in columns:
            a, b = found[name][column], wanted[column]
            if b.dtype.kind in "iufc":
                scale = np.nanmax(np.abs(b), initial=1e-30) if np.isfinite(b).any() else 1.0
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12 + 1e-9 * scale, err_msg=f"{name} {column}")


@pytest.mark.parametrize("devices", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 4))])
def test_batched_and_sharded(config, alone, tmp_path, monkeypatch, devices):
    """Five endosomes in batches of up to four, on several devices: what each becomes by itself."""
    found = jax.local_devices()[:devices]
    monkeypatch.setattr(jax, "local_devices", lambda: found)
    assert start(config, tmp_path / "out.h5", "--batch", 4, *OPTIONS) == 0
    assert_equal_to_rounding(tmp_path / "out.h5", alone)


def test_interrupted_batches(config, tmp_path, monkeypatch):
    """The same batches on the same devices, stopped at a checkpoint and resumed: equal to the bit."""
    whole, cut = tmp_path / "whole.h5", tmp_path / "cut.h5"
    found = jax.local_devices()[:3]
    monkeypatch.setattr(jax, "local_devices", lambda: found)
    options = ("--batch", 4, *OPTIONS)
    assert start(config, whole, *options) == 0
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1, lambda: signal.raise_signal(signal.SIGTERM))
        assert start(config, cut, *options) == 75
    assert start(config, cut, "--resume", *options) == 0
    assert_bitwise_equal(cut, whole)
