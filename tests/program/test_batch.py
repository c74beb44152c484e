"""Endosomes in batches. What needs several devices in a process of its own, batched_devices.py."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from test_run import CONFIG, start
from test_vesicle_run import CONFIG as VESICLE

from membrane.bud.exact.compiled import OPTIONS
from membrane.program.batch import Batch

BATCHED = Path(__file__).parent / "batched_devices.py"


@pytest.mark.parametrize("marked", ["not slow", pytest.param("slow", marks=pytest.mark.slow)])
def test_on_four_devices(marked):
    """All tests of batched_devices.py pass."""
    # Most of the time is compilation: little of it is spent on speed.
    flags = "--xla_force_host_platform_device_count=4 --xla_cpu_multi_thread_eigen=false"
    flags += " --xla_backend_optimization_level=0"
    flags += "".join(f" --{name}={value}".lower() for name, value in OPTIONS.items())
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-m", marked, str(BATCHED)]
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=BATCHED.parents[2])
    assert done.returncode == 0, done.stdout + done.stderr


def counted(model, state, steps):
    """``steps`` times the model added to a state."""
    return jax.lax.fori_loop(0, steps, lambda _, s: s + model, state), steps


def test_places_know_nothing_of_each_other():
    """Members of a batch ask as often as they like, each for its own number of steps, and get their own sums."""
    batch, devices = Batch(counted, 4, jax.local_devices()[:1]), jax.local_devices()

    def member(place, rounds):
        state = jnp.zeros(3)
        with place as chunk:
            for n in range(rounds):
                state, steps = chunk(jnp.asarray(1.0 + place.index), state, jnp.asarray(n))
                assert int(steps) == n
        return state

    with ThreadPoolExecutor(3) as pool:
        sums = list(pool.map(member, batch.take(3), [5, 2, 3]))
    assert [s.tolist() for s in sums] == [[10.0] * 3, [2.0] * 3, [9.0] * 3]
    assert all(s.devices() == {devices[0]} for s in sums)


def test_a_member_that_fails_leaves_its_place():
    """The others go on; a program that fails tells all who have asked."""
    batch = Batch(counted, 2, jax.local_devices()[:1])

    def member(place, fails):
        with place as chunk:
            state, _ = chunk(jnp.asarray(1.0), jnp.zeros(()), jnp.asarray(1))
            if fails:
                raise RuntimeError("failed by itself")
            return float(chunk(jnp.asarray(1.0), state, jnp.asarray(2))[0])

    with ThreadPoolExecutor(2) as pool:
        bad, good = (pool.submit(member, *given) for given in zip(batch.take(2), (True, False), strict=True))
        assert good.result() == 3.0
        assert isinstance(bad.exception(), RuntimeError)

    def wrong(place):
        with place as chunk:
            return chunk(jnp.asarray(1.0), jnp.zeros(2 + place.index), jnp.asarray(1))

    with ThreadPoolExecutor(2) as pool:
        assert all(f.exception() is not None for f in [pool.submit(wrong, place) for place in batch.take(2)])


def test_places_that_devices_cannot_share():
    """What was given and what is possible."""
    with pytest.raises(ValueError, match="3 places cannot be shared out evenly over 2 devices"):
        Batch(counted, 3, jax.local_devices()[:1] * 2)


@pytest.mark.parametrize(("text", "batch", "said"), [(CONFIG, 0, "give at least 1"), (VESICLE, 2, "only sheets")])
def test_batches_that_make_no_sense(settings_of_main, tmp_path, capsys, text, batch, said):
    """Exit code 2 and the remedy; nothing is written."""
    (tmp_path / "tiny.yaml").write_text(text)
    try:
        code = start(tmp_path / "tiny.yaml", tmp_path / "out.h5", "--batch", batch)
    except SystemExit as refused:
        code = refused.code
    assert code == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]
