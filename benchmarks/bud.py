"""What a bud law costs: python benchmarks/bud.py [--cores N]

One evaluation of a domain comprises its path, its energy landscape and the answer read from it: wells, barrier, neck
and rates. 64 domains are drawn over the range of configs/ceramide.yaml (L 25-90 nm, c0 0.02-0.055 /nm; a host of c0
0.008 /nm and 1 uN/m, of 216 nm radius or flat). Times are medians on one core, unless --cores is given. Compilation is
not part of them; the time of the first call, with compilation, has a column of its own.

The rows are:

- solved: the exact law; the path of every domain is solved;
- as in a run: the same, but domains whose gate lies beyond the search limit are not solved;
- path known: the exact law with paths that were solved before, for another line tension;
- cap: the closed spherical cap;
- peer: another way to solve the same equations, a continuation of one branch with scipy.integrate.solve_bvp;
- run: the share of the bud law in the wall time of configs/ceramide.yaml (takes minutes).

Aims: 5 evaluations a second where paths are solved, 1000 where they are known, and 10 % of a run.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

ROUNDS, COUNT = 5, 64
KT, KAPPA_IN, KAPPA_OUT, LINE_TENSION, TENSION, OUTSIDE = 4.2821, 171.28, 85.64, 1.1, 1e-3, 0.008
AIMS = {"path known": 1000, "solved": 5}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=1)
    arguments = parser.parse_args()
    # macOS cannot bind a process to cores.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])
    import jax

    # The setting of a run, so that one compiled program serves both.
    jax.config.update("jax_default_matmul_precision", "highest")
    print(f"jax {jax.__version__}, {jax.default_backend()}, {arguments.cores} core(s), {COUNT} domains")
    print("host      law                     evaluations/s       aim   ms/domain   first call s")
    for name, radius in (("216 nm", 216.0), ("flat", float("inf"))):
        for law, rate, first in measure(radius):
            aim = f"{AIMS[law]:8d}" if law in AIMS else 8 * " "
            print(f"{name:8s}  {law:22s} {rate:14.1f}  {aim} {1e3 / rate:11.3f} {first:14.1f}")
    seconds, points = peer()
    print(f"peer: solve_bvp, flat host, one branch of {points} states: {seconds:.2f} s, {1 / seconds:.2f} branches/s")
    total, spent, domains = share()
    total *= arguments.cores
    print(f"run: {domains} domains, {spent:.1f} of {total:.0f} core s, {100 * spent / total:.0f} % (aim 10 %)")
    return 0


def share():
    """(seconds of a run, seconds of it in the law summed over threads, number of domains that the law answered for)."""
    from membrane.bud.exact_law import ExactLaw
    from membrane.commands.run import main as run

    spent, evaluate = [], ExactLaw.__call__

    def timed(law, domain, host):
        begun = time.perf_counter()
        answer = evaluate(law, domain, host)
        spent.append((time.perf_counter() - begun, len(domain.size)))
        return answer

    config = Path(__file__).parents[1] / "configs" / "ceramide.yaml"
    ExactLaw.__call__ = timed
    try:
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "run.h5"
            total = clock(lambda: run([str(config), "--quiet", "--output", str(output)]))
    finally:
        ExactLaw.__call__ = evaluate
    seconds, domains = map(sum, zip(*spent, strict=True))
    return total, seconds, domains


def measure(radius):
    """Rows (law, evaluations in a second, seconds of the first call with compilation)."""
    from membrane.bud.cap import CapLaw
    from membrane.bud.exact_law import ExactLaw
    from membrane.bud.landscape import Gate, Host
    from membrane.bud.route import solve_path

    gate, viscosities = (
        Gate(neck_radius=5.0, thermal_energy=KT),
        {"membrane_viscosity": 3e-6, "solvent_viscosity": 3e-9},
    )
    host = Host(tension=TENSION, bending_rigidity=KAPPA_OUT, spontaneous_curvature=OUTSIDE, radius=radius)
    every, some = ExactLaw(gate, search_limit_kT=float("inf"), **viscosities), ExactLaw(gate, **viscosities)
    cap = CapLaw(gate, **viscosities)
    median = lambda times: sorted(times)[len(times) // 2]

    first = clock(lambda: every(domains(0), host))
    for name, law in (("solved", every), ("as in a run", some)):
        times = []
        for i in range(ROUNDS):
            solve_path.cache_clear()
            times.append(clock(lambda law=law, i=i: law(domains(i), host)))
        yield name, COUNT / median(times), first
    for name, law in (("path known", every), ("cap", cap)):
        first = clock(lambda law=law: law(domains(0), host))
        yield name, COUNT / median([clock(lambda law=law: law(domains(0), host)) for _ in range(ROUNDS)]), first


def domains(seed):
    """64 domains drawn at random."""
    import numpy as np

    from membrane.bud.landscape import Domain

    rng = np.random.default_rng(seed)
    full = lambda value: np.full(COUNT, value)
    size, curvature = rng.uniform(25, 90, COUNT), rng.uniform(0.02, 0.055, COUNT)
    return Domain(
        area=np.pi * size**2,
        spontaneous_curvature=curvature,
        line_tension=full(LINE_TENSION),
        bending_rigidity=full(KAPPA_IN),
        gaussian_modulus_contrast=full(0.0),
    )


def clock(run) -> float:
    """Seconds of one call."""
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def peer(c=2.4, c_out=0.48, tension=0.02, ratio=0.5):
    """(seconds, number of states) of one branch of the shape equations in a flat host, with L = kappa_in = 1.

    At falling rim radius alpha these equations are solved (Juelicher & Lipowsky 1996, Phys. Rev. E 53:2670):

        psi'' = -psi' cos psi/r + sin psi cos psi/r^2 + gamma sin psi/(kappa r),
        gamma' = (kappa/2) [(psi' - c)^2 - sin^2 psi/r^2] + Sigma,    r' = cos psi

    In the domain Sigma is the multiplier of its area, in the host it is the tension. Each state starts from the one
    before. The time is the median of three."""
    import numpy as np

    x = 0.05 + 0.1 * np.arange(29)
    return sorted(clock(lambda: branch(1 / np.cosh(x), c, c_out, tension, ratio)) for _ in range(3))[1], len(x)


def branch(alphas, c, c_out, tension, ratio):
    """The line tension, in units of kappa_in/L, at which each state is in equilibrium."""
    import numpy as np
    from scipy.integrate import solve_bvp

    start, reach = 1e-3, 12 * np.sqrt(ratio / tension)

    def arc(kappa, curvature, sigma, psi, u, r, gamma):
        sine, cosine = np.sin(psi), np.cos(psi)
        bend = -u * cosine / r + sine * cosine / r**2 + gamma * sine / (kappa * r)
        return u, bend, cosine, kappa / 2 * ((u - curvature) ** 2 - (sine / r) ** 2) + sigma

    def rates(t, v, p):
        inner, outer = arc(1.0, c, p[2], *v[:4]), arc(ratio, c_out, shifted, *v[5:])
        stretched = spread * np.exp(spread * t) / np.expm1(spread) * reach
        return np.vstack([p[0] * np.array([*inner, v[2]]), stretched * np.array(outer)])

    def ends(a, b, p):
        # The constant kappa c_out^2/2 of the host's energy per area is no part of its tension in these equations.
        pole = [a[0] - p[1] * start, a[1] - p[1], a[2] - start, a[3], a[4] - start**2 / 2]
        moment = b[1] + np.sin(b[0]) / b[2] - c - ratio * (a[6] + np.sin(a[5]) / a[7] - c_out)
        rim = [b[2] - alpha, a[7] - alpha, b[0] - a[5], moment, b[4] - 0.5]
        return np.array([*pole, *rim, b[5], b[8] - tension * b[7]])

    shifted, spread = tension - ratio * c_out**2 / 2, np.log(reach / 0.1)
    t = np.linspace(0, 1, 60)
    y, far = np.sqrt(1 - alphas[0] ** 2), reach * np.expm1(spread * t) / np.expm1(spread)
    arc_length = 2 * np.arcsin(y) * t / (2 * y)
    fall = 2 * np.arcsin(y) * np.exp(-far)
    guess = [
        2 * y * arc_length,
        0 * t + 2 * y,
        np.sin(2 * y * arc_length + 1e-9) / (2 * y) + start,
        0 * t,
        arc_length**2 / 2,
    ]
    guess = np.array([*guess, fall, -fall, alphas[0] + far, tension * far])
    parameters, found = np.array([arc_length[-1], 2 * y, 0.0]), []
    for alpha in alphas:
        solution = solve_bvp(rates, ends, t, guess, p=parameters, tol=1e-4, max_nodes=4000)
        if not solution.success:
            raise RuntimeError(f"solve_bvp lost the branch at rim radius {alpha:.3f} L: {solution.message}")
        t, guess, parameters = solution.x, solution.y, solution.p
        found.append(guess[8, 0] - guess[3, -1])
    return np.array(found)


if __name__ == "__main__":
    sys.exit(main())
