"""What a step of the five-field sheet costs: python benchmarks/sheet_step.py [--cores N] [--precision float32|float64]

The sheet is that of configs/ceramide.yaml (flow and noise on) at each size, its random displacement apart: that is one
interpolation every 128 us of simulated time and is timed on its own. Columns: milliseconds a step; transforms a step,
counted in the traced program; the floor (6 forward + 7 inverse single transforms of that size, measured in the same
process, in turn with the steps); the ratio of both; milliseconds of one displacement; memory of the compiled chunk;
seconds of the first call. Medians; on one core unless told otherwise.
"""

import argparse
import os
import sys
import time
from pathlib import Path

SIZES = ((128, 128), (200, 144), (256, 256), (512, 512))
STEPS, ROUNDS = 20, 9


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--precision", default="float32", choices=("float32", "float64"))
    arguments = parser.parse_args()
    # macOS binds no process to cores.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])
    import jax

    jax.config.update("jax_enable_x64", arguments.precision == "float64")
    print(f"jax {jax.__version__}, {jax.default_backend()}, {arguments.cores} core(s), {arguments.precision}")
    print("     size   ms/step  transforms   floor ms   ratio   displacement ms   memory MiB   first call s")
    for shape in SIZES:
        row = measure(shape, arguments.precision)
        print("{:4d} x {:<4d} {:8.2f} {:9d} {:12.2f} {:8.2f} {:14.1f} {:13.0f} {:13.1f}".format(*shape, *row))
    return 0


def measure(shape, precision):
    """(ms/step, transforms, floor ms, ratio, displacement ms, MiB, first call s) at shape (n_y, n_x)."""
    import jax
    import jax.numpy as jnp

    from membrane.builder.sheet import build_sheet
    from membrane.config import load
    from membrane.lattice import fft
    from membrane.sheet.stepper import Bdf2

    box = [4.0 * shape[1], 4.0 * shape[0]]
    source = Path(__file__).parents[1] / "configs" / "ceramide.yaml"
    config = load(source, [f"geometry.box_nm={box}", f"numerics.precision={precision}"])
    sheet = build_sheet(config)
    thermal, sheet = sheet.thermal_flow, without_displacement(sheet)
    stepper = Bdf2(tick_s=1e-6, max_exponent=6, tolerance=0.1)
    state = sheet.initial_state(jax.random.key(1), 8)
    advance = lambda n: jax.block_until_ready(stepper.chunk(sheet, state, jnp.asarray(n, jnp.int32)))
    first, _ = clock(lambda: advance(STEPS))
    forward, inverse = jax.jit(fft.forward), jax.jit(lambda h: fft.inverse(h, shape))
    carry = jax.jit(lambda f, key: thermal.carry(f, thermal.displacement(key)))
    phi, hat = state.fields[0], forward(state.fields[0])
    rows = []
    for i in range(ROUNDS + 1):
        short, _ = clock(lambda: advance(1))
        long, _ = clock(lambda: advance(1 + STEPS))
        there, _ = clock(lambda: [jax.block_until_ready(forward(phi)) for _ in range(STEPS)])
        back, _ = clock(lambda: [jax.block_until_ready(inverse(hat)) for _ in range(STEPS)])
        moved, _ = clock(lambda i=i: jax.block_until_ready(carry(state.fields, jax.random.key(i))))
        rows.append(((long - short) / STEPS, (6 * there + 7 * back) / STEPS, moved))
    step, floor, moved = (sorted(row[i] for row in rows[1:])[ROUNDS // 2] * 1e3 for i in range(3))
    ratio = sorted(row[0] / row[1] for row in rows[1:])[ROUNDS // 2]
    program = jax.jit(lambda s, n: type(stepper).chunk.__wrapped__(stepper, sheet, s, n))
    memory = program.lower(state, jnp.asarray(1, jnp.int32)).compile().memory_analysis()
    size = memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
    transforms = count_transforms(jax.make_jaxpr(lambda s: stepper.step(sheet, s))(stepper.begin(sheet, state)).jaxpr)
    return step, transforms, floor, ratio, moved, size / 2**20, first


def without_displacement(sheet):
    """The same sheet without random displacements."""
    import equinox as eqx

    return eqx.tree_at(lambda s: s.thermal_flow, sheet, None, is_leaf=lambda x: x is None)


def count_transforms(jaxpr) -> int:
    """Transforms of whole fields in a traced program, a batch counting once a field."""
    import math

    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "fft":
            total += math.prod(equation.invars[0].aval.shape[:-2])
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            total += count_transforms(inner) if hasattr(inner, "eqns") else 0
    return total


def clock(run):
    """(seconds, result) of one call."""
    begun = time.perf_counter()
    result = run()
    return time.perf_counter() - begun, result


if __name__ == "__main__":
    sys.exit(main())
