"""From the configuration of a vesicle to its physics, in nm, pN and s: model, descent, transport, and the start."""

import math
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from membrane.builder.elasticity import elasticity
from membrane.builder.endosome import arriving_composition, tension_law
from membrane.builder.species import Dissolved, diffusion_pair, dissolved, molecular_areas
from membrane.config import VesicleConfig
from membrane.endosome.budget import Endosome
from membrane.energy import Lipids, Mixture
from membrane.energy.wall import measure_wall
from membrane.lattice.grid import Grid
from membrane.replica import Schedule
from membrane.units import PN_PER_NM2_PER_KPA, PN_PER_NM_PER_MN_PER_M, PN_PER_NM_PER_UN_PER_M, PN_S_PER_NM2_PER_MPA_S
from membrane.vesicle import (
    Membrane,
    Relaxation,
    Reservoir,
    StokesFlow,
    Stretching,
    Transport,
    VesicleState,
    initial,
    surface,
)
from membrane.vesicle.replica import VesiclePhysics
from membrane.vesicle.shape import AbstractDescent
from membrane.vesicle.topology import smallest_vesicle

CLEARANCE = 10.0
"""What must lie between a membrane and its periodic image, in interface widths (docs/vesicle.md)."""


def vesicle_physics(config: VesicleConfig) -> VesiclePhysics:
    """All that a run of this configuration needs. Raises ValueError where the vesicle does not fit its box."""
    numerics = config.numerics
    solutes = build_solutes(config)
    membrane = build_membrane(config, solutes)
    return VesiclePhysics(
        membrane=membrane,
        initial_state=partial(initial_state, config, membrane, solutes.means),
        descent=build_descent(numerics, membrane.interface_width),
        transport=Transport({"phi": diffusion_pair(config.lipids)} | solutes.diffusion),
        shape_steps=numerics.shape_steps,
        schedule=_schedule(config),
        line_tension=_line_tension(membrane.mixture, {"phi": mean_order(config)} | solutes.means),
        areas=molecular_areas(config),
    )


def _schedule(config) -> Schedule:
    """A tick is a round. Every round is a function of the state alone, so that a run may stand still after each."""
    tick_s, look, output = config.numerics.transport_step_us * 1e-6, config.numerics.look_rounds, config.output
    whole = lambda seconds, unit=1: max(1, math.ceil(seconds / (tick_s * unit) - 1e-9)) * unit
    return Schedule(
        tick_s=tick_s,
        duration_ticks=whole(config.duration_s),
        look_ticks=look,
        boundary_ticks=1,
        # Vesicles are told apart at looks, and a row says what they are.
        series_ticks=whole(output.series_interval_ms * 1e-3, look),
        frame_ticks=whole(output.frame_interval_ms * 1e-3),
        checkpoint_ticks=whole(output.checkpoint_interval_ms * 1e-3),
    )


def _line_tension(mixture: Mixture, means: dict[str, float]) -> float:
    """That of the measured wall, in pN; NaN where the mixture has no two phases, which is no fault in a vesicle."""
    try:
        return measure_wall(mixture, means).line_tension
    except ValueError:
        return math.nan


def build_descent(numerics, interface_width: float) -> AbstractDescent:
    """How the shape moves."""
    limits = {"courant": numerics.max_courant, "strain": numerics.max_area_strain}
    if numerics.mending is not None:
        limits["profile_mobility"] = numerics.mending
    if numerics.mobility == "stokes":
        return StokesFlow(numerics.viscosity_mPa_s * PN_S_PER_NM2_PER_MPA_S, **limits)
    if numerics.rest_descent_pN_nm is not None:
        limits |= {"most": numerics.most_shape_steps, "rest": numerics.rest_descent_pN_nm}
    return Relaxation(numerics.smoothing_length_nm or 3 * interface_width, inertia=numerics.inertia, **limits)


def build_solutes(config: VesicleConfig) -> Dissolved:
    """Ceramide and cargo. Monomers and n-mers start in equilibrium at the mean order."""
    return dissolved(config.ceramide, config.cargo, mean_order(config), elasticity(config).thermal_energy)


def mean_order(config: VesicleConfig) -> float:
    """Mean of phi over the membrane at the start."""
    composition = config.composition
    if composition.quench is not None:
        return composition.quench.mean_order
    caps = composition.caps or (composition.cap,)
    return 2 * sum(cap.area for cap in caps) / config.geometry.area - 1


def build_membrane(config: VesicleConfig, solutes: Dissolved) -> Membrane:
    """The free energy of the closed membrane and what is dissolved in it."""
    section, elastic, points = config.membrane, elasticity(config), config.geometry.points
    grid = Grid(points[::-1], config.geometry.box_nm[::-1], config.numerics.precision, config.numerics.devices)
    _fits(config, grid)
    _domains_are_resolved(config)
    contrast = elastic.gaussian_modulus_contrast
    osmotic = None
    if section.osmosis is not None:
        enclosed = surface.volume(initial.profile(_distance(config, grid), section.interface_width_nm, grid), grid)
        osmotic = (
            section.osmosis.modulus_kPa * PN_PER_NM2_PER_KPA,
            section.osmosis.rest_volume_ratio * float(enclosed),
        )
    lipids = Lipids.from_wall(
        line_tension=config.lipids.line_tension_pN, interface_width=config.lipids.interface_width_nm
    )
    return Membrane(
        grid,
        interface_width=section.interface_width_nm,
        bending_rigidity=(elastic.bending_rigidity_ld, elastic.bending_rigidity_lo),
        spontaneous_curvature=(section.spontaneous_curvature_ld_per_nm, section.spontaneous_curvature_lo_per_nm),
        lipids=lipids,
        area_modulus=config.endosome.area_modulus_mN_per_m * PN_PER_NM_PER_MN_PER_M,
        osmotic=osmotic,
        ceramide=solutes.ceramide,
        cargo=solutes.cargo,
        coefficients=solutes.coefficients,
        # Only the contrast is given, and only it bends: the larger of the two is set to nought.
        gaussian_rigidity=(-max(contrast, 0.0), min(contrast, 0.0)),
        reservoir=_reservoir(config, Mixture(lipids, solutes.ceramide, solutes.cargo), solutes.means, grid.dtype),
    )


def _reservoir(config, mixture: Mixture, means: dict[str, float], dtype) -> Reservoir | None:
    """The reserve; without a section ``supply`` it is Ld and has no end."""
    if config.membrane.tension_uN_per_m is None:
        return None
    arriving = arriving_composition(config, mixture, means)
    fields = tuple(float(arriving[name]) for name in mixture.species)
    rest = config.membrane.tension_uN_per_m * PN_PER_NM_PER_UN_PER_M
    if config.supply is None:
        return Reservoir(rest, fields)
    budget, time = _budget(config), config.endosome.volume_regulation_time_s
    stretching = Stretching.through(*budget.law.beyond_rest(budget.area), dtype)
    return Reservoir(rest, fields, stretching, math.inf if time is None else time)


def _budget(config) -> Endosome:
    """The endosome as the sphere of its area at the start, with its reserve."""
    radius = math.sqrt(config.geometry.area / (4 * math.pi))
    return Endosome.open(tension_law(config, radius), radius, config.supply.reserve_fraction)


def initial_state(config: VesicleConfig, membrane: Membrane, means: dict[str, float], endosome: int) -> VesicleState:
    """Where an endosome starts, relaxed in area, the ``means`` of what is dissolved even all over it; noise is a
    function of (seed, endosome)."""
    psi = initial.profile(_distance(config, membrane.grid), membrane.interface_width, membrane.grid)
    phi = _order(config, membrane, psi, jax.random.fold_in(jax.random.key(config.seed), endosome))
    fields = membrane.composed(phi, means)
    conserved = membrane.conserved(psi, fields)
    if config.supply is not None:
        # How much its area can grow at rest is that of the sphere; the area itself is that of the box.
        budget = _budget(config)
        growth = 4 * math.pi * budget.law.rest_radius(budget.area) ** 2 / config.geometry.area
        conserved = eqx.tree_at(lambda kept: kept.most, conserved, conserved.area[0] * growth)
    return VesicleState.at_rest(membrane, psi, fields, conserved)


def _axes(config) -> tuple[float, float]:
    """Semi-axes (polar along z, equatorial) in nm."""
    shape = config.geometry.shape
    if shape.kind == "sphere":
        return shape.diameter_nm / 2, shape.diameter_nm / 2
    return initial.spheroid_axes(math.pi * shape.diameter_nm**2, shape.reduced_volume, shape.kind == "prolate")


def _distance(config, grid: Grid) -> np.ndarray:
    if config.geometry.shape.kind == "slab":
        return initial.slab(grid, config.geometry.shape.thickness_nm)
    if config.geometry.shape.kind == "sphere":
        return initial.sphere(grid, config.geometry.shape.diameter_nm / 2)
    return initial.spheroid(grid, *_axes(config))


def _fits(config, grid: Grid) -> None:
    clearance, shape = CLEARANCE * config.membrane.interface_width_nm, config.geometry.shape
    if shape.kind == "slab":
        if min(shape.thickness_nm, grid.extent[0] - shape.thickness_nm) < clearance * (1 - 1e-9):
            raise ValueError(
                f"geometry.shape.thickness_nm {shape.thickness_nm:g} in a box of {grid.extent[0]:g} nm along z leaves "
                f"less than {clearance:g} nm (ten membrane.interface_width_nm) between the planes, or between them "
                f"outside: both must be at least that, the box twice as much"
            )
        return
    polar, equatorial = _axes(config)
    least = [2 * axis + clearance for axis in (equatorial, equatorial, polar)]
    if any(side < wanted * (1 - 1e-9) for side, wanted in zip(grid.extent[::-1], least, strict=True)):
        raise ValueError(
            f"geometry.box_nm {list(config.geometry.box_nm)} leaves less than {clearance:g} nm (ten "
            f"membrane.interface_width_nm) between the {config.geometry.shape.kind} of geometry.shape and its periodic "
            f"image: give at least {[math.ceil(side * 10) / 10 for side in least]}"
        )


def _domains_are_resolved(config) -> None:
    """Every domain could be told apart as a vesicle."""
    eps, caps = config.membrane.interface_width_nm, config.composition.caps or (config.composition.cap,)
    least = smallest_vesicle(eps)
    closed = min((math.sqrt(cap.area / math.pi) for cap in caps if cap is not None), default=math.inf)
    if closed < least:
        raise ValueError(
            f"composition: a domain that closes into a vesicle of {closed:.3g} nm is not resolved: with "
            f"membrane.interface_width_nm {eps:g} a vesicle below {least:.3g} nm cannot be told from the remains of a "
            f"neck. Give a larger domain, or an interface of at most {eps * closed / least:.3g} nm"
        )


def _order(config, membrane: Membrane, psi, key):
    """phi of the box at the start, with the mean that was asked for on the membrane."""
    grid, composition = membrane.grid, config.composition
    if composition.caps is not None:
        radius = config.geometry.shape.diameter_nm / 2
        distances = [initial.cap(grid, radius, cap.area, direction=cap.direction) for cap in composition.caps]
        return initial.profile(np.maximum.reduce(distances), config.lipids.interface_width_nm, grid)
    if composition.cap is not None:
        if config.geometry.shape.kind == "slab":
            distance = initial.disc(grid, composition.cap.area)
            return initial.profile(distance, config.lipids.interface_width_nm, grid)
        polar, equatorial = _axes(config)
        if polar == equatorial:
            distance = initial.cap(grid, polar, composition.cap.area)
        else:
            distance = initial.spheroid_cap(grid, polar, equatorial, composition.cap.area)
        return initial.profile(distance, config.lipids.interface_width_nm, grid)
    noise = composition.quench.noise * jax.random.normal(key, grid.shape, grid.dtype)
    weight = membrane.weight(surface.derivatives(psi, grid))
    return composition.quench.mean_order + noise - jnp.sum(weight * noise) / jnp.sum(weight)
