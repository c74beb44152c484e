"""From the configuration of a sheet to its physics, in nm, pN and s."""

import math
from functools import partial

import jax.numpy as jnp

from membrane.builder.elasticity import elasticity
from membrane.builder.endosome import arriving_composition, new_endosome, tension_law, vesicle_supply
from membrane.builder.law import bud_law, solvent_viscosity
from membrane.builder.species import Dissolved, diffusion_pair, dissolved, molecular_areas
from membrane.builder.start import balanced_host, resting_means
from membrane.config import SheetConfig
from membrane.endosome.budget import VesicleSupply
from membrane.energy import Helfrich, Lipids, Mixture
from membrane.energy.wall import measure_wall
from membrane.lattice.grid import Grid
from membrane.replica import Schedule
from membrane.sheet.agitation import ThermalFlow
from membrane.sheet.budding import BuddingRules
from membrane.sheet.hydrodynamics import MembraneFlow
from membrane.sheet.noise import FilteredNoise
from membrane.sheet.plane import Sheet
from membrane.sheet.replica import SheetPhysics
from membrane.sheet.stepper import Bdf2
from membrane.units import (
    PN_PER_NM_PER_UN_PER_M,
    PN_S_PER_NM_PER_NPA_S_M,
)

MOST_RENEWED = 0.5
"""Largest share of the membrane that vesicles may bring between two looks. Domains could not follow more."""

NOISE_CUTOFF = 0.5
"""Upper end of the noise filter in units of 1/xi: q < 1/(2 xi)."""


def build_grid(config: SheetConfig) -> Grid:
    """The grid whose spacing is nearest to that of the configuration."""
    shape = [round(side / config.geometry.spacing_nm) for side in config.geometry.box_nm]
    return Grid((shape[1], shape[0]), (config.geometry.box_nm[1], config.geometry.box_nm[0]), config.numerics.precision)


def sheet_physics(config: SheetConfig) -> SheetPhysics:
    """All that a run of this configuration needs.

    Raises ValueError where the mixture has no two phases, and where the membrane is too soft for a sphere.
    """
    model = build_sheet(config)
    wall = measure_wall(model.mixture, model.mean_fields)
    largest = largest_step_ticks(config)
    return SheetPhysics(
        model=model,
        stepper=_stepper(config),
        rules=_rules(config, wall),
        supply=_supply(config, model.mixture),
        tension_law=(law := tension_law(config, config.geometry.host_radius_nm)),
        new_endosome=partial(new_endosome, config, law),
        wall=wall,
        schedule=_schedule(config),
        first_step_ticks=min(4, largest),
        seed=config.seed,
    )


def _stepper(config) -> Bdf2:
    numerics = config.numerics
    return Bdf2(
        tick_s=numerics.tick_us * 1e-6,
        max_exponent=largest_step_ticks(config).bit_length() - 1,
        tolerance=numerics.error_tolerance,
        max_courant=numerics.max_courant,
    )


def _schedule(config) -> Schedule:
    """Intervals are whole multiples of the longest step, so that every one of them is the end of a step."""
    tick_s, largest, output = config.numerics.tick_us * 1e-6, largest_step_ticks(config), config.output
    ticks = lambda seconds: max(1, math.ceil(seconds / (tick_s * largest) - 1e-9)) * largest
    look = ticks(config.budding.look_interval_ms * 1e-3)
    return Schedule(
        tick_s=tick_s,
        duration_ticks=ticks(config.duration_s),
        look_ticks=look,
        boundary_ticks=look,
        series_ticks=ticks(output.series_interval_ms * 1e-3),
        frame_ticks=ticks(output.frame_interval_ms * 1e-3),
        # Every run stands still at every look. So a checkpoint must not be a boundary of its own.
        checkpoint_ticks=-(-ticks(output.checkpoint_interval_ms * 1e-3) // look) * look,
    )


def largest_step_ticks(config: SheetConfig) -> int:
    """The longest step: the largest power of two of ticks within numerics.max_step_us."""
    return 2 ** int(math.log2(config.numerics.max_step_us / config.numerics.tick_us))


def build_sheet(config: SheetConfig) -> Sheet:
    """The sheet with its energies, transport, flow and noise."""
    grid, elastic = build_grid(config), elasticity(config)
    lipids = Lipids.from_wall(
        line_tension=config.lipids.line_tension_pN, interface_width=config.lipids.interface_width_nm
    )
    solutes = _solutes(config)
    mixture = Mixture(lipids, solutes.ceramide, solutes.cargo)
    # Tension is a traced value: it may change from chunk to chunk without a recompilation.
    tension = jnp.asarray(config.membrane.tension_uN_per_m * PN_PER_NM_PER_UN_PER_M, grid.dtype)
    return Sheet(
        grid,
        mixture=mixture,
        diffusion={"phi": diffusion_pair(config.lipids)} | solutes.diffusion,
        mean_fields=_start(config, mixture),
        helfrich=Helfrich(
            bending_rigidity=elastic.bending_rigidity_ld,
            tension=tension,
            coefficients=solutes.coefficients,
            offset=config.membrane.spontaneous_curvature_other_per_nm,
        ),
        flow=(flow := _flow(config)),
        noise=(noise := _noise(config, grid, elastic.thermal_energy)),
        thermal_flow=_thermal_flow(config, flow, noise),
        initial_noise=config.numerics.initial_noise,
    )


def _solutes(config) -> Dissolved:
    order = -1.0 if config.lipids.mean_order is None else config.lipids.mean_order
    return dissolved(config.ceramide, config.cargo, order, elasticity(config).thermal_energy, config.acceleration)


def _given_means(config) -> dict[str, float]:
    """Mean of every field that the configuration gives, by name; phi is that of Ld where it gives none."""
    return {"phi": -1.0 if config.lipids.mean_order is None else config.lipids.mean_order} | _solutes(config).means


def _start(config, mixture: Mixture) -> dict[str, float]:
    """Mean of every field at the start, by name."""
    means = _given_means(config)
    if config.start == "mixed":
        return means
    arriving = arriving_composition(config, mixture, means)
    if config.start == "resting":
        return resting_means(means, arriving)
    renewal = _supply(config, mixture).area_per_s / math.prod(config.geometry.box_nm)
    return balanced_host(mixture, arriving, renewal)


def _flow(config) -> MembraneFlow | None:
    section = config.hydrodynamics
    if not section.in_plane_flow:
        return None
    viscosity = section.membrane_viscosity_nPa_s_m * PN_S_PER_NM_PER_NPA_S_M
    return MembraneFlow(membrane_viscosity=viscosity, solvent_viscosity=solvent_viscosity(config))


def _noise(config, grid, kT) -> FilteredNoise | None:
    if not config.numerics.thermal_noise:
        return None
    return FilteredNoise(grid, cutoff=NOISE_CUTOFF / config.lipids.interface_width_nm, thermal_energy=kT)


def _thermal_flow(config, flow, noise) -> ThermalFlow | None:
    if flow is None or noise is None:
        return None
    tick_us, largest = config.numerics.tick_us, largest_step_ticks(config)
    interval = max(1, round(config.hydrodynamics.agitation_interval_us / tick_us / largest)) * largest
    return ThermalFlow(flow=flow, noise=noise, interval_ticks=interval, tick_s=tick_us * 1e-6)


def _rules(config, wall) -> BuddingRules:
    elastic, budding = elasticity(config), config.budding
    return BuddingRules(
        law=bud_law(config),
        bending_rigidity_lo=elastic.bending_rigidity_lo,
        bending_rigidity_ld=elastic.bending_rigidity_ld,
        gaussian_modulus_contrast=elastic.gaussian_modulus_contrast,
        line_tension=wall.line_tension,
        interface_width=config.lipids.interface_width_nm,
        circularity=budding.circularity,
        least_diameter=2 * budding.neck_radius_nm,
        aid_waiting_time=aid.waiting_time_s / config.acceleration if (aid := budding.scission_aid) else math.inf,
        acceleration=config.acceleration,
        areas=molecular_areas(config),
        shell_density=budding.shell_density_g_per_ml,
        lumen_density=budding.lumen_density_g_per_ml,
    )


def _supply(config, mixture: Mixture) -> VesicleSupply:
    section, supply = config.supply, vesicle_supply(config, mixture, _given_means(config))
    (smallest, largest), spacing = supply.extreme_diameters, config.geometry.spacing_nm
    sizes = (
        f"supply.fusion_diameter_nm {section.fusion_diameter_nm:g} and supply.fusion_diameter_sd_nm "
        f"{section.fusion_diameter_sd_nm:g}"
    )
    wide = 2 * largest + 4 * config.lipids.interface_width_nm
    if section.recycling and min(config.geometry.box_nm) < wide:
        raise ValueError(
            f"{sizes}: a patch may be {wide:.4g} nm wide, but geometry.box_nm is {list(config.geometry.box_nm)}: give "
            "a wider box, or smaller vesicles"
        )
    if section.recycling and smallest < 2 * spacing:
        raise ValueError(
            f"{sizes}: a vesicle may be as small as {smallest:.3g} nm, which geometry.spacing_nm {spacing:g} does not "
            f"resolve: vesicles must be larger than {2 * spacing:g} nm"
        )
    share = supply.area_per_s * config.budding.look_interval_ms * 1e-3 / math.prod(config.geometry.box_nm)
    if share > MOST_RENEWED:
        raise ValueError(
            f"supply.fusion_rate_per_s {section.fusion_rate_per_s:g} with acceleration {config.acceleration:g} renews "
            f"{share:.3g} of the membrane between two looks (budding.look_interval_ms): at most {MOST_RENEWED:g} may be"
        )
    return supply
