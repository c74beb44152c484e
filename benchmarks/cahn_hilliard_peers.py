"""Pure Cahn-Hilliard, membrane against py-pde and exponax: wall time to solution on one core, at equal error.

    python benchmarks/cahn_hilliard_peers.py            (peers: pip install -e .[benchmark]; about three minutes)

Problem: dc/dt = lap(c^3 - c - lap c), 256^2 periodic points, dx = 1, to t = 200. Initial field: Gaussian noise of
mean 0, standard deviation 0.3 and |k| < 0.3. Weak broad noise (0.1, |k| < 1) passes through more coarsening events,
each of which amplifies differences: from it the errors of Bdf2 and of ETDRK2 are 8 to 16 times larger.

Error: relative L2 on the grid at t = 200 against one spectral reference, ETDRK4 in float64 with dt = 0.05 on the same
256^2 points; its differences from dt = 0.1 and from membrane (float64, dt = 1/64) are printed. Those points themselves
err by 1e-3 (against 512^2, measured once), which is in nobody's error: below 1e-3 only time stepping is compared.
py-pde's second-order differences err in space, and so does exponax with its default dealiasing, which cuts the cube at
half the wavenumbers; the equal-error rule counts both. The column `own` is py-pde's error against an ETDRK4 solution
of its own semi-discretisation, which is that of its time stepping alone.

Ratio: time of the peer over time of membrane, same precision, for our fastest run whose error is no larger
than the peer's; above 1 membrane is faster. Times are medians of three after a first call, compilation excluded.
py-pde steps by explicit Euler at its stability limit 2/(8^2 + 2*8) = 0.025; its adaptive Euler takes about as long for
the same error, and Runge-Kutta four evaluations for a step 1.4 times as long. exponax takes ten steps at a time in
Fourier space: ETDRK2 in float32 over t = 200 without return to real fields ends in NaN (the unstable linear part
probably amplifies rounding that breaks the Hermitian symmetry).
"""

import importlib.util
import os
import sys
import time

if __name__ == "__main__" and hasattr(os, "sched_setaffinity") and "MEMBRANE_PINNED" not in os.environ:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    threads = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    os.environ.update(threads, MEMBRANE_PINNED="1", JAX_PLATFORMS="cpu")
    os.execv(sys.executable, [sys.executable, *sys.argv])

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from membrane.energy import Lipids, Mixture
from membrane.lattice.grid import Grid
from membrane.program.cores import cores
from membrane.sheet.plane import Sheet
from membrane.sheet.stepper import Bdf2

N, END, TICK = 256, 200.0, 1 / 256
GRID = Grid((N, N), (float(N), float(N)), "float64")


def initial_field() -> np.ndarray:
    """Noise of standard deviation 0.3, mean 0, |k| < 0.3."""
    white = np.fft.rfft2(np.random.default_rng(1).standard_normal((N, N)))
    field = np.fft.irfft2(white * ((GRID.k2 < 0.3**2) & (GRID.k2 > 0)), s=(N, N))
    return field * 0.3 / field.std()


def etdrk4(field, dt, k2):
    """Kassam & Trefethen (2005), float64, for a Laplacian of symbol -k2; only the stable -k2^2 is exponential."""
    with jax.enable_x64(True):
        z = -(k2**2) * dt
        q = f1 = f2 = f3 = 0.0
        for angle in np.pi * (np.arange(32) + 0.5) / 32:
            w = z + np.exp(1j * angle)
            e = np.exp(w)
            q = q + ((np.exp(w / 2) - 1) / w).real * dt / 32
            f1 = f1 + ((-4 - w + e * (4 - 3 * w + w**2)) / w**3).real * dt / 32
            f2 = f2 + ((2 + w + e * (w - 2)) / w**3).real * dt / 32
            f3 = f3 + ((-4 - 3 * w - w**2 + e * (4 - w)) / w**3).real * dt / 32
        full, half = np.exp(z), np.exp(z / 2)

        def rate(v):
            c = jnp.fft.irfft2(v, s=(N, N))
            return -k2 * jnp.fft.rfft2(c**3 - c)

        def step(_, v):
            g = rate(v)
            a = half * v + q * g
            ga = rate(a)
            gb = rate(half * v + q * ga)
            gc = rate(half * a + q * (2 * gb - g))
            return full * v + f1 * g + 2 * f2 * (ga + gb) + f3 * gc

        v = jax.jit(lambda v: jax.lax.fori_loop(0, round(END / dt), step, v))(jnp.fft.rfft2(jnp.asarray(field)))
        return np.asarray(jnp.fft.irfft2(v, s=(N, N)))


def difference(a, b) -> float:
    """Relative L2."""
    return float(np.linalg.norm(np.asarray(a, np.float64) - b) / np.linalg.norm(b))


def measure(solve, first_started, repeats=3):
    """(field at t = 200, median seconds, seconds of the first call with everything built since ``first_started``)."""
    field, first, times = solve(), time.perf_counter() - first_started, []
    for _ in range(repeats):
        start = time.perf_counter()
        field = solve()
        times.append(time.perf_counter() - start)
    return field, float(np.median(times or [first])), first


def membrane(field, dtype, step_ticks, tolerance=None, chunk=100, repeats=3):
    """Bdf2 on the diagonal path of the Sheet in compiled chunks: fixed step, adaptive with a ``tolerance``."""
    grid = Grid(GRID.shape, GRID.extent, dtype)
    model = Sheet(grid, mixture=Mixture(Lipids(1.0, 1.0)), diffusion={"phi": (2.0, 2.0)}, mean_fields={"phi": 0.0})
    stepper = Bdf2(tick_s=TICK, max_exponent=9, tolerance=tolerance or 1.0)
    end = round(END / TICK)

    def solve():
        state = model.state_of(jnp.asarray(field, grid.dtype)[None], jax.random.key(0), step_ticks)
        tick, size = 0, step_ticks
        while tick < end:
            steps = min(chunk, (end - tick) // size)
            state, report = stepper.chunk(model, state, jnp.asarray(steps, jnp.int32))
            tick += steps * size
            if tolerance:
                size = stepper.next_step_ticks(tick, size, float(report.error), float(report.courant))
                state = eqx.tree_at(lambda s: s.step_ticks, state, jnp.asarray(size, jnp.int32))
        return np.asarray(state.fields[0])

    with jax.enable_x64(dtype == "float64"):
        return measure(solve, time.perf_counter(), repeats)


def exponax(field, dt, dealiasing):
    """ETDRK2 of exponax, float32: u_t = nu lap(c3 u^3 + c1 u - gamma lap u) with nu = gamma = c3 = 1, c1 = -1."""
    import exponax as ex

    started = time.perf_counter()
    physics = {"diffusivity": 1.0, "gamma": 1.0, "dealiasing_fraction": dealiasing}
    stepper = ex.stepper.reaction.CahnHilliard(2, float(N), N, dt, **physics)
    run = jax.jit(ex.repeat(ex.RepeatedStepper(stepper, 10), round(END / dt / 10)))
    u = jnp.asarray(field, jnp.float32)[None]
    return measure(lambda: np.asarray(run(u)[0]), started)


def py_pde(field, backend, dtype, dt):
    """Explicit Euler of py-pde, compiled once (its ``solve`` would compile at each call); on JAX it is float32."""
    import pde

    started = time.perf_counter()
    grid = pde.CartesianGrid([[0, N], [0, N]], [N, N], periodic=True)
    start = pde.ScalarField(grid, field, dtype=dtype)
    step = pde.EulerSolver(pde.CahnHilliardPDE(), backend=backend).make_stepper(state=start, dt=dt)

    def solve():
        state = start.copy()
        step(state, 0.0, END)
        return state.data

    return measure(solve, started)


def main():
    """Run everything and print one table."""
    print(f"{cores()} core(s); jax {jax.__version__}", flush=True)
    field = initial_field()
    spectral = etdrk4(field, 0.05, GRID.k2)
    ky, kx = GRID.k
    own = {"py-pde": etdrk4(field, 0.05, 4 - 2 * np.cos(ky) - 2 * np.cos(kx))}
    coarse, fine = etdrk4(field, 0.1, GRID.k2), membrane(field, "float64", 4, repeats=0)[0]
    print(f"reference: ETDRK4 dt 0.05; differs from its dt 0.1 by {difference(coarse, spectral):.1e}, ", end="")
    print(f"from membrane float64 dt 1/64 by {difference(fine, spectral):.1e}", flush=True)
    print(f"{'solver':30} {'type':8} {'dt':>9} {'time s':>8} {'first s':>8} {'error':>8} {'own':>8}  ratio (our run)")

    ours = []

    def row(name, dtype, dt, job):
        package = name.split()[0]
        if importlib.util.find_spec(package.replace("py-pde", "pde")) is None:
            return print(f"{name:30} not installed: pip install -e .[benchmark]")
        result, seconds, first = job()
        error = difference(result, spectral)
        mine = difference(result, own[package]) if package in own else None
        equal = [r for r in ours if r[0] == dtype and r[3] <= error]
        ratio = ""
        if package != "membrane":
            best = min(equal, key=lambda r: r[2], default=None)
            ratio = f"{seconds / best[2]:.2f} ({best[1]})" if best else "(no run of ours is as accurate)"
        else:
            ours.append((dtype, dt, seconds, error))
        text = f"{dt:.5g}" if isinstance(dt, float) else dt
        own_text = f"{mine:8.1e}" if mine is not None else f"{'-':>8}"
        print(f"{name:30} {dtype:8} {text:>9} {seconds:8.3f} {first:8.2f} {error:8.1e} {own_text}  {ratio}", flush=True)

    steps = (512, 320, 256, 160, 128, 80, 64, 40, 32, 20, 16, 10, 8)
    for dtype, ladder in (("float32", steps), ("float64", steps[:9])):
        for ticks in ladder:
            row("membrane", dtype, ticks * TICK, lambda d=dtype, t=ticks: membrane(field, d, t))
    for tol in (1e-2, 3e-3, 1e-3, 1e-4):
        row("membrane adaptive", "float32", f"tol {tol:g}", lambda t=tol: membrane(field, "float32", 16, t, 32))
    for dealiasing in (1 / 2, 1.0):
        name = f"exponax ETDRK2, {'default' if dealiasing < 1 else 'no dealiasing'}"
        for dt in (0.4, 0.2):
            row(name, "float32", dt, lambda dt=dt, x=dealiasing: exponax(field, dt, x))
    for backend, dtype in (("jax", "float32"), ("numba", "float32"), ("numba", "float64")):
        row(f"py-pde {backend} Euler", dtype, 0.025, lambda b=backend, d=dtype: py_pde(field, b, d, 0.025))


if __name__ == "__main__":
    main()
