"""What a step of the vesicle costs: python benchmarks/vesicle_step.py [--cores N] [--precision float32|float64]

Columns: milliseconds a trial of the shape (energy, its derivative, direction); transforms a trial, counted in the
traced program; the floor (forward and inverse transforms of that size, one by one, in the same process, by turns
with the steps); the ratio of both; milliseconds of one step of transport; memory of the compiled chunk; seconds of the
first call. Medians; on one core unless told otherwise. One vesicle; each further one adds a forward transform.
"""

import argparse
import os
import sys
import time

SIZES = ((48, 48, 48), (56, 56, 56), (64, 64, 64), (72, 64, 96), (96, 96, 96))
FORWARD, INVERSE = 8, 7
STEPS, ROUNDS = 10, 7


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--precision", default="float32", choices=("float32", "float64"))
    arguments = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-arguments.cores :])
    import jax

    jax.config.update("jax_enable_x64", arguments.precision == "float64")
    print(f"jax {jax.__version__}, {jax.default_backend()}, {arguments.cores} core(s), {arguments.precision}")
    print("        size   ms/trial  transforms  floor ms  ratio  transport ms  memory MiB  first call s")
    for shape in SIZES:
        row = measure(shape, arguments.precision)
        print("{:4d}x{:<3d}x{:<3d} {:9.1f} {:11d} {:9.1f} {:6.2f} {:13.0f} {:11.0f} {:13.1f}".format(*shape, *row))
    return 0


def measure(shape, precision):
    """(ms/trial, transforms, floor ms, ratio, ms a step of transport, MiB, first call s) at shape (n_z, n_y, n_x)."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from membrane import fft
    from membrane.energy import Lipids
    from membrane.grid import Grid
    from membrane.vesicle import Membrane, Relaxation, State, Transport, initial
    from membrane.vesicle.evolve import transported

    grid = Grid(shape, tuple(3.5 * n for n in shape), precision)
    lipids = Lipids.from_wall(line_tension=5.0, interface_width=4.5)
    model = Membrane(grid, 4.5, (85.6, 85.6), (0.0, 0.08), lipids, 1000.0)
    radius = 0.38 * min(grid.extent)
    psi = initial.profile(initial.sphere(grid, radius), 4.5, grid)
    phi = initial.profile(initial.cap(grid, radius, np.pi * (0.7 * radius) ** 2), 4.5, grid)
    state = State.at_rest(model, psi, phi, model.open_books(psi, phi))
    relaxation, transport = Relaxation(14.0), Transport(1e6)
    advance = lambda n: jax.block_until_ready(relaxation.run(model, state, jnp.asarray(n)))
    move = lambda: jax.block_until_ready(transported(model, transport, state, jnp.asarray(4e-6, grid.dtype)))
    first, _ = clock(lambda: advance(STEPS))
    forward, inverse = jax.jit(lambda f: fft.forward(f, 3)), jax.jit(lambda h: fft.inverse(h, shape))
    hat = forward(psi)
    move()
    rows = []
    for _ in range(ROUNDS + 1):
        short, _ = clock(lambda: advance(1))
        long, _ = clock(lambda: advance(1 + STEPS))
        there, _ = clock(lambda: [jax.block_until_ready(forward(psi)) for _ in range(STEPS)])
        back, _ = clock(lambda: [jax.block_until_ready(inverse(hat)) for _ in range(STEPS)])
        moved, _ = clock(move)
        rows.append(((long - short) / STEPS, (FORWARD * there + INVERSE * back) / STEPS, moved))
    step, floor, moved = (sorted(row[i] for row in rows[1:])[ROUNDS // 2] * 1e3 for i in range(3))
    ratio = sorted(row[0] / row[1] for row in rows[1:])[ROUNDS // 2]
    program = jax.jit(lambda s, n: type(relaxation).run.__wrapped__(relaxation, model, s, n))
    memory = program.lower(state, jnp.asarray(1)).compile().memory_analysis()
    size = memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
    # The chunk looks once before its loop, without the two transforms that a trial begins with.
    transforms = (count_transforms(jax.make_jaxpr(program)(state, jnp.asarray(1)).jaxpr) + 2) // 2
    return step, transforms, floor, ratio, moved, size / 2**20, first


def count_transforms(jaxpr) -> int:
    """Transforms of whole fields in a traced program, a batch counting once a field."""
    import math

    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "fft":
            total += math.prod(equation.invars[0].aval.shape[:-3])
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
