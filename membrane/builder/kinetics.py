"""From the configuration of kinetics to its physics, in nm, pN and s."""

import math
from functools import partial

from membrane.builder.elasticity import elasticity
from membrane.builder.endosome import arriving_composition, new_endosome, tension_law, vesicle_supply
from membrane.builder.law import bud_table
from membrane.builder.species import diffusion_pair, dissolved, molecular_areas
from membrane.builder.start import balanced_host, resting_means
from membrane.config import KineticsConfig
from membrane.energy import Helfrich, Lipids, Mixture
from membrane.energy.wall import measure_wall
from membrane.kinetics.accounts import Rules
from membrane.kinetics.flow import Flow
from membrane.kinetics.replica import KineticsPhysics
from membrane.kinetics.step import Kinetics
from membrane.replica import Schedule
from membrane.units import PN_PER_NM_PER_UN_PER_M, PN_S_PER_NM2_PER_MPA_S, PN_S_PER_NM_PER_NPA_S_M


def kinetics_physics(config: KineticsConfig) -> KineticsPhysics:
    """All that a run of this configuration needs.

    Raises ValueError where the mixture has no two phases, and where the membrane is too soft for a sphere.
    """
    elastic, radius, tick_s = elasticity(config), config.geometry.host_radius_nm, config.numerics.tick_us * 1e-6
    solutes = dissolved(config.ceramide, config.cargo, -1.0, elastic.thermal_energy, config.acceleration)
    lipids = Lipids.from_wall(
        line_tension=config.lipids.line_tension_pN, interface_width=config.lipids.interface_width_nm
    )
    mixture, means = Mixture(lipids, solutes.ceramide, solutes.cargo), {"phi": -1.0} | solutes.means
    supply = vesicle_supply(config, mixture, means)
    start = _start(config, mixture, means, supply.area_per_s / (4 * math.pi * radius**2))
    wall, aid = measure_wall(mixture, start), config.budding.scission_aid
    film = config.hydrodynamics
    wait = aid.waiting_time_s / config.acceleration / tick_s if aid else math.inf
    helfrich = Helfrich(
        bending_rigidity=elastic.bending_rigidity_ld,
        tension=config.membrane.tension_uN_per_m * PN_PER_NM_PER_UN_PER_M,
        coefficients=solutes.coefficients,
        offset=config.membrane.spontaneous_curvature_other_per_nm,
    )
    model = Kinetics(
        mixture=mixture,
        helfrich=helfrich,
        flow=Flow.of(
            radius=radius,
            membrane_viscosity=film.membrane_viscosity_nPa_s_m * PN_S_PER_NM_PER_NPA_S_M,
            cytosol_viscosity=film.cytosol_viscosity_mPa_s * PN_S_PER_NM2_PER_MPA_S,
            lumen_viscosity=film.lumen_viscosity_mPa_s * PN_S_PER_NM2_PER_MPA_S,
            thermal_energy=elastic.thermal_energy,
        ),
        law=bud_table(config, wall.line_tension),
        area=4 * math.pi * radius**2,
        line_tension=wall.line_tension,
        interface_width=config.lipids.interface_width_nm,
        diffusion={"phi": diffusion_pair(config.lipids)} | solutes.diffusion,
        thermal_energy=elastic.thermal_energy,
        aid_ticks=min(math.ceil(wait), 2**30) if math.isfinite(wait) else 2**31 - 1,
        tick_s=tick_s,
        longest=_longest(config),
        tolerance=config.numerics.growth_tolerance,
        travel_step=config.numerics.travel_step,
    )
    return KineticsPhysics(
        model=model,
        rules=Rules(
            least_diameter=2 * config.budding.neck_radius_nm,
            acceleration=config.acceleration,
            areas=molecular_areas(config),
            shell_density=config.budding.shell_density_g_per_ml,
            lumen_density=config.budding.lumen_density_g_per_ml,
        ),
        supply=supply,
        tension_law=(law := tension_law(config, radius)),
        new_endosome=partial(new_endosome, config, law),
        start=start,
        wall=wall,
        schedule=_schedule(config),
        seed=config.seed,
    )


def _longest(config) -> int:
    """Ticks of the longest step."""
    return int(config.numerics.max_step_ms * 1e3 / config.numerics.tick_us)


def _schedule(config) -> Schedule:
    """Intervals are whole multiples of the longest step, at each of which a step ends."""
    tick_s, longest, output = config.numerics.tick_us * 1e-6, _longest(config), config.output
    ticks = lambda seconds: max(1, math.ceil(seconds / (tick_s * longest) - 1e-9)) * longest
    checkpoint = ticks(output.checkpoint_interval_ms * 1e-3)
    return Schedule(
        tick_s=tick_s,
        duration_ticks=ticks(config.duration_s),
        look_ticks=longest,
        boundary_ticks=longest,
        series_ticks=ticks(output.series_interval_ms * 1e-3),
        # There are no frames; the run waits at checkpoints only.
        frame_ticks=checkpoint,
        checkpoint_ticks=checkpoint,
    )


def _start(config, mixture: Mixture, means: dict[str, float], renewal: float) -> dict[str, float]:
    """Mean of every field of a host without domains, by name."""
    arriving = arriving_composition(config, mixture, means)
    if config.start == "steady":
        return balanced_host(mixture, arriving, renewal)
    host = resting_means(means, arriving)
    # A mean far on the side of Ld: then Ld has exactly this composition.
    return host | {"phi": measure_wall(mixture, host | {"phi": -1.25}).phi_ld}
