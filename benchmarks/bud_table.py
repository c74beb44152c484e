"""What the table of the bud law costs: python benchmarks/bud_table.py [--threads N]

The table is that of configs/driven.yaml (rigidities of 40 and 20 kT, 1 pN, 1 uN/m, hosts of 205 to 225 nm radius) for
domains of 30 to 70 nm with c0 0.03 to 0.06 /nm in hosts with c0 0 to 0.01 /nm. It is built anew, in a folder of its
own. Then the same random domains are asked of it, in float32 and in batches of several sizes, and of the exact law in
the same process. Times are CPU seconds of the best of several rounds, so that other work on the machine counts little;
compilation has a column of its own.

Aim: 100,000 answers a second on one core.
"""

import argparse
import os
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

KT, ROUNDS, BATCHES, EXACT, AIM = 4.2821, 7, (64, 1024, 16384), 64, 1e5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    threads = parser.parse_args().threads
    import equinox as eqx
    import jax
    import numpy as np

    from membrane.bud.landscape import Gate
    from membrane.bud.table import Constants, Ranges, exact_answer, table_law

    known = Constants(
        line_tension=1.0,
        bending_rigidity=40 * KT,
        host_bending_rigidity=20 * KT,
        gate=Gate(neck_radius=5.0, thermal_energy=KT),
        membrane_viscosity=3e-6,
        solvent_viscosity=3e-9,
    )
    ranges = Ranges(
        size=(30.0, 70.0),
        curvature_inside=(0.03, 0.06),
        curvature_outside=(0.0, 0.01),
        tension=(1e-3, 1e-3),
        host_radius=(205.0, 225.0),
    )
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter(), time.process_time()
        law = table_law(known, ranges, threads=threads, folder=folder)
        took = time.perf_counter() - started[0], time.process_time() - started[1]
    print(f"built in {took[0]:.0f} s ({took[1]:.0f} CPU s), {law.paths.shares.nbytes / 2**20:.0f} MiB")
    print(law)
    rng = np.random.default_rng(7)
    draw = lambda count: [rng.uniform(*pair, count).astype(np.float32) for pair in vars(ranges).values()]
    ask = eqx.filter_jit(lambda law, *given: law(*given))
    print("batch      answers/s   us/answer   first call s")
    for count in BATCHES:
        given = draw(count)
        first = time.perf_counter()
        jax.block_until_ready(ask(law, *given))
        first = time.perf_counter() - first
        spent = min(cpu(lambda given=given: jax.block_until_ready(ask(law, *given))) for _ in range(ROUNDS))
        print(f"{count:5d} {count / spent:14.0f} {1e6 * spent / count:11.2f} {first:14.1f}")
    given = [v.astype(float) for v in draw(EXACT)]
    exact_answer(known, *(v[:1] for v in given))
    spent = cpu(lambda: exact_answer(known, *given))
    print(f"exact {EXACT / spent:14.0f} {1e6 * spent / EXACT:11.0f}   (aim of the table: {AIM:.0f} answers/s)")
    return 0


def cpu(run) -> float:
    """CPU seconds of a run."""
    started = time.process_time()
    run()
    return time.process_time() - started


if __name__ == "__main__":
    sys.exit(main())
