"""What a step of the vesicle costs: python benchmarks/vesicle_step.py [--cores N] [--precision float32|float64]

Columns: milliseconds a trial of the shape (energy, its derivative, direction); transforms a trial, counted in the
traced program; the floor (forward and inverse transforms of that size, one by one, in the same process, by turns
with the steps); the ratio of both; milliseconds of one step of transport; memory of the compiled chunk; seconds of the
first call. Medians; on one core unless told otherwise, and on one core CPU time, so that neighbours do not count. One
vesicle; each further one adds two forward transforms.

    --species 3         phi alone (1, the default), with ceramide (3), with cargo, too (5)
    --sizes 256x256x256,384x384x384     n_z x n_y x n_x; what is too large for the memory is left out
    --devices 1,2,4     each size in slabs over so many devices; on a CPU they are made, give them --cores
    --traffic           bytes a second of the compiled trial, by the compiler's count, and their share of what a copy
                        reaches on each device; the most memory held so far, of the device or else of the process
    --bud               instead: seconds from the command to the fission of configs/vesicle_bud.yaml and to its end,
                        imports and compilation included, nothing cached

On a GPU: --cores 8 --traffic --sizes 64x64x64,128x128x128,256x256x256,384x384x384, once for each precision.
"""

import argparse
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from membrane.program.cores import cores

SIZES = "48x48x48,56x56x56,64x64x64,72x64x96,96x96x96"
FORWARD, INVERSE = 9, 7
STEPS, ROUNDS = 10, 7
COLUMNS = {
    "size": "{:>12s}",
    "ms/trial": "{:10.1f}",
    "transforms": "{:11d}",
    "floor ms": "{:9.1f}",
    "ratio": "{:6.2f}",
    "transport ms": "{:13.0f}",
    "memory MiB": "{:11.0f}",
    "first call s": "{:13.1f}",
    "devices": "{:8d}",
    "GB/s": "{:8.1f}",
    "copy GB/s": "{:10.1f}",
    "share": "{:6.2f}",
    "peak MiB": "{:9.0f}",
}
"""Names and formats, of which a row has what was asked for."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--precision", default="float32", choices=("float32", "float64"))
    parser.add_argument("--species", type=int, default=1, choices=(1, 3, 5))
    parser.add_argument("--sizes", default=SIZES)
    parser.add_argument("--devices", default="1")
    parser.add_argument("--traffic", action="store_true")
    parser.add_argument("--bud", action="store_true")
    arguments = parser.parse_args()
    devices = [int(n) for n in arguments.devices.split(",")]
    # macOS binds no process to cores.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-arguments.cores :])
    if max(devices) > 1:
        # Of no effect on a GPU.
        os.environ.setdefault("XLA_FLAGS", f"--xla_force_host_platform_device_count={max(devices)}")
    if arguments.bud:
        for n in devices:
            print(
                "vesicle_bud.yaml, {} core(s), {} device(s): fission {:.1f} s, end {:.1f} s".format(
                    arguments.cores, n, *bud(arguments.precision, n)
                )
            )
        return 0
    import jax

    jax.config.update("jax_enable_x64", arguments.precision == "float64")
    print(f"jax {jax.__version__}, {jax.devices()[0].device_kind}, {arguments.cores} core(s), {arguments.precision}")
    shown = [name for name in COLUMNS if name != "devices" or devices != [1]]
    shown = shown if arguments.traffic else [name for name in shown if name in (*list(COLUMNS)[:8], "devices")]
    print("".join(f"{name:>{len(COLUMNS[name].format(0 if name != 'size' else ''))}}" for name in shown))
    for size in arguments.sizes.split(","):
        for n in devices:
            shape = tuple(map(int, size.split("x")))
            try:
                row = measure(shape, arguments.precision, arguments.species, n)
            except jax.errors.JaxRuntimeError as error:
                print(f"{size:>12s} {str(error).splitlines()[0]}")
                continue
            print("".join(COLUMNS[name].format(row[name]) for name in shown), flush=True)
    return 0


def measure(shape, precision, species, devices) -> dict:
    """One row, by column."""
    import jax
    import jax.numpy as jnp

    from membrane.lattice import fft
    from membrane.vesicle import Relaxation, Transport
    from membrane.vesicle.evolve import transported

    model, state = start(shape, precision, species, devices)
    relaxation, transport = Relaxation(14.0), Transport(1e6)
    advance = lambda n: jax.block_until_ready(relaxation.run(model, state, jnp.asarray(n)))
    move = lambda: jax.block_until_ready(transported(model, transport, state, jnp.asarray(4e-6, precision)))
    first, _ = clock(lambda: advance(STEPS))
    forward = jax.jit(lambda f: fft.forward(f, 3, devices))
    inverse = jax.jit(lambda h: fft.inverse(h, shape, devices))
    hat = forward(state.psi)
    move()
    rows = []
    for _ in range(ROUNDS + 1):
        short, _ = clock(lambda: advance(1))
        long, _ = clock(lambda: advance(1 + STEPS))
        there, _ = clock(lambda: [jax.block_until_ready(forward(state.psi)) for _ in range(STEPS)])
        back, _ = clock(lambda: [jax.block_until_ready(inverse(hat)) for _ in range(STEPS)])
        moved, _ = clock(move)
        rows.append(((long - short) / STEPS, (FORWARD * there + INVERSE * back) / STEPS, moved))
    step, floor, moved = (sorted(row[i] for row in rows[1:])[ROUNDS // 2] * 1e3 for i in range(3))
    program = jax.jit(lambda s, n: type(relaxation).run.__wrapped__(relaxation, model, s, n))
    compiled = program.lower(state, jnp.asarray(1)).compile()
    memory = compiled.memory_analysis()
    size = memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
    # In slabs a transform is two, of two axes and of one.
    counted = count_transforms(jax.make_jaxpr(program)(state, jnp.asarray(1)).jaxpr) // (1 if devices == 1 else 2)
    # The chunk looks once before its loop, without the two transforms that a trial begins with.
    transforms = (counted + 2) // 2
    reached = compiled.cost_analysis()["bytes accessed"] * devices * transforms / counted / step / 1e6
    copied = copy_bandwidth() / 1e9
    told = state.psi.sharding.device_set.pop().memory_stats() or {}
    return {
        "size": "x".join(map(str, shape)),
        "ms/trial": step,
        "transforms": transforms,
        "floor ms": floor,
        "ratio": sorted(row[0] / row[1] for row in rows[1:])[ROUNDS // 2],
        "transport ms": moved,
        "memory MiB": size / 2**20,
        "first call s": first,
        "devices": devices,
        "GB/s": reached,
        "copy GB/s": copied,
        "share": reached / copied / devices,
        "peak MiB": told.get("peak_bytes_in_use", 2**10 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 2**20,
    }


def start(shape, precision, species, devices):
    """(membrane, state at rest): a sphere with a Lo cap, and beside phi what there are species for."""
    import jax.numpy as jnp
    import numpy as np

    from membrane.energy import Cargo, Ceramide, Lipids, Oligomers
    from membrane.lattice.grid import Grid
    from membrane.vesicle import Membrane, VesicleState, initial

    grid = Grid(shape, tuple(3.5 * n for n in shape), precision, devices)
    lipids = Lipids.from_wall(line_tension=5.0, interface_width=4.5)
    ceramide = Ceramide(thermal_energy=4.28, patch_area=10.0, affinity=0.5) if species > 1 else None
    cargo = (
        Cargo(
            thermal_energy=4.28,
            site_area=10.0,
            affinity=1.0,
            oligomers=Oligomers(size=6, bond_energy=2.0, affinity=3.0, dissociation_rate=1000.0),
        )
        if species > 3
        else None
    )
    model = Membrane(
        grid,
        interface_width=4.5,
        bending_rigidity=(85.6, 85.6),
        spontaneous_curvature=(0.0, 0.08),
        lipids=lipids,
        area_modulus=1000.0,
        ceramide=ceramide,
        cargo=cargo,
    )
    radius = 0.38 * min(grid.extent)
    psi = initial.profile(initial.sphere(grid, radius), 4.5, grid)
    phi = initial.profile(initial.cap(grid, radius, np.pi * (0.7 * radius) ** 2), 4.5, grid)
    fields = jnp.stack([phi, *(share + 0.05 * phi for share in (0.1, 0.06, 0.08, 0.1)[: species - 1])])
    return model, VesicleState.at_rest(model, psi, fields, model.conserved(psi, fields))


def copy_bandwidth() -> float:
    """Bytes a second, read and written, of f + 1 on one device, f of 256 MiB."""
    import jax
    import jax.numpy as jnp

    field, add = jnp.zeros(2**26, jnp.float32), jax.jit(lambda f: f + 1)
    jax.block_until_ready(add(field))
    seconds = [clock(lambda: jax.block_until_ready(add(field)))[0] for _ in range(20)]
    return 2 * field.nbytes / sorted(seconds)[10]


def count_transforms(jaxpr) -> int:
    """Transforms of whole fields in a traced program, a batch counting once a field."""
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "fft":
            total += math.prod(equation.invars[0].aval.shape[:-3])
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            total += count_transforms(inner) if hasattr(inner, "eqns") else 0
    return total


def bud(precision, devices) -> tuple[float, float]:
    """Seconds from the command to the first ILV and to the end of configs/vesicle_bud.yaml."""
    config = Path(__file__).parents[1] / "configs" / "vesicle_bud.yaml"
    options = ["--set", f"numerics.precision={precision}", "--set", f"numerics.devices={devices}"]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "membrane.run", str(config), "--output", f"{folder}/bud.h5", *options]
        begun, fission = time.perf_counter(), math.nan
        environment = os.environ | {"XDG_CACHE_HOME": folder}
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
            for line in process.stderr:
                if math.isnan(fission) and " 1 ILVs" in line:
                    fission = time.perf_counter() - begun
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with exit code {process.returncode}")
        return fission, time.perf_counter() - begun


def clock(run):
    """(seconds, result) of one call."""
    import jax

    alone = jax.default_backend() == "cpu" and cores() == 1
    now = time.process_time if alone else time.perf_counter
    begun = now()
    result = run()
    return now() - begun, result


if __name__ == "__main__":
    sys.exit(main())
