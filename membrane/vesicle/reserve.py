"""The reserve of an endosome in three dimensions: membrane that is handed out at rest tension until it is spent.

The tension sigma is what an area of flat host costs in all. Membrane that the reserve hands out brings the energy of
its composition X_r and the bending energy of a flat membrane of that composition with it. So F changes by

    (sigma - f(X_r) - (kappa/2) c0(X_r)^2) dA

beside what the energy of the fields themselves gains. Once the limiting membrane has the area A_r, all that it can have
at rest tension, the reserve is spent. It is then stretched, and its undulations are pulled out: the tension rises with
the strain e = A/A_r - 1.
"""

import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.interpolate import CubicSpline


class Stretching(eqx.Module):
    """The tension sigma(e) of a membrane whose reserve is spent, and the work that it takes.

    It is a cubic spline between knots. Beyond the last knot it goes on as a straight line.

    Arguments:
        strain: knots e, from 0 on, (knots,).
        coefficients: of each piece in powers of e less its first knot, from the third down, pN/nm, (4, knots - 1).
        work_before: int sigma de from 0 to each knot, pN/nm, (knots,).

    >>> spring = Stretching.through(np.linspace(0.0, 0.1, 5), 1e-3 + 240.0 * np.linspace(0.0, 0.1, 5))
    >>> round(float(spring.tension(jnp.asarray(0.2))), 3), round(float(spring.work(jnp.asarray(0.2))), 4)
    (48.001, 4.8002)
    """

    strain: Float[Array, " knots"]
    coefficients: Float[Array, "4 pieces"]
    work_before: Float[Array, " knots"]

    @classmethod
    def through(cls, strain: np.ndarray, tension: np.ndarray, dtype=np.float64) -> "Stretching":
        """The spline through points (strain, tension in pN/nm), both (knots,), the first at strain 0."""
        spline = CubicSpline(strain, tension)
        return cls(*(jnp.asarray(a, dtype) for a in (strain, spline.c, spline.antiderivative()(strain))))

    def tension(self, strain):
        """sigma in pN/nm at the strain e >= 0."""
        step, (a, b, c, d), _, beyond = self._piece(strain)
        return ((a * step + b) * step + c) * step + d + beyond * self.slope(strain)

    def slope(self, strain):
        """d sigma/de in pN/nm."""
        step, (a, b, c, _), _, _ = self._piece(strain)
        return (3 * a * step + 2 * b) * step + c

    def work(self, strain):
        """int sigma de from 0 to e, pN/nm."""
        step, (a, b, c, d), before, beyond = self._piece(strain)
        end = ((a * step + b) * step + c) * step + d
        within = (((a / 4 * step + b / 3) * step + c / 2) * step + d) * step
        return before + within + beyond * (end + beyond / 2 * self.slope(strain))

    def _piece(self, strain):
        """Strain in its piece, coefficients of the piece, work before it, and strain beyond the last knot."""
        inside = jnp.clip(strain, self.strain[0], self.strain[-1])
        at = jnp.clip(jnp.searchsorted(self.strain, inside, side="right") - 1, 0, self.strain.size - 2)
        beyond = jnp.maximum(strain - self.strain[-1], 0)
        return inside - self.strain[at], self.coefficients[:, at], self.work_before[at], beyond


class Reservoir(eqx.Module):
    """The reserve of the largest limiting membrane: it hands membrane out at rest tension, and takes it back.

    Arguments:
        tension: sigma at rest, pN/nm: what an area of flat host of the composition ``fields`` costs in all.
        fields: what the membrane that it hands out has of every species, phi first: X_r.
        stretching: the tension once the reserve is spent; None: the reserve has no end.
        regulation_time: time constant in s with which fluid leaves the lumen once the reserve is spent; inf: none
            leaves.
    """

    tension: float
    fields: tuple[float, ...]
    stretching: Stretching | None = None
    regulation_time: float = math.inf

    def drained(self, area, most, dt):
        """Volume of fluid in nm^3 that leaves the lumen in ``dt`` seconds, which the regulation takes off.

            (1 - exp(-dt/tau)) (V(A) - V(A_r)),   V(A) the volume of a sphere of area A,

        as :meth:`membrane.endosome.budget.Endosome.advance` has it for an endosome that is a sphere.

        Arguments:
            area: A, present area of the limiting membrane, nm^2.
            most: A_r, all that it can have at rest tension, nm^2.
            dt: time, s.
        """
        if not math.isfinite(self.regulation_time):
            return jnp.zeros_like(area)
        sphere = lambda a: a**1.5 / (6 * np.pi**0.5)
        return -jnp.expm1(-dt / self.regulation_time) * jnp.maximum(sphere(area) - sphere(most), 0)
