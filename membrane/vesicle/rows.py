"""What the archive keeps of an endosome in three dimensions: the rows of its time series and the fields of frames."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from membrane.energy.cargo import MONOMER, OLIGOMER
from membrane.energy.ceramide import CYTOSOLIC, LUMINAL
from membrane.outcome.table import KINDS, is_ilv
from membrane.units import PN_PER_NM_PER_UN_PER_M
from membrane.vesicle import ClosedMembrane, Membrane, VesicleState, surface
from membrane.vesicle.energy import Terms
from membrane.vesicle.necks import BudNeck
from membrane.vesicle.topology import components

DISSOLVED = (CYTOSOLIC, LUMINAL, MONOMER, OLIGOMER)
"""Names of all fields on the membrane other than phi."""

UNITS = {
    "time_s": "s",
    "free_energy_pN_nm": "pN nm",
    **{f"{part}_energy_pN_nm": "pN nm" for part in Terms._fields},
    "tension_uN_per_m": "uN/m",
    "membrane_area_nm2": "nm2",
    "ilv_area_nm2": "nm2",
    "drawn_area_nm2": "nm2",
    "reserve_area_nm2": "nm2",
    "drained_volume_nm3": "nm3",
    "lumen_volume_nm3": "nm3",
    "vesicle_volume_nm3": "nm3",
    "reduced_volume": "1",
    "lo_fraction": "1",
    "lo_content_nm2": "nm2",
    "domain_number": "1",
    "vesicle_number": "1",
    "ilv_number": "1",
    "ilv_count": "1",
    "outward_count": "1",
    "fusion_count": "1",
    "euler_characteristic": "1",
    "neck_number": "1",
    "neck_radius_nm": "nm",
    "outward_neck_number": "1",
    "outward_neck_radius_nm": "nm",
    "descent_pN_nm": "pN nm",
    "shape_steps": "1",
    "refused_steps": "1",
    **{f"{name}_content_nm2": "nm2" for name in DISSOLVED},
    **dict.fromkeys(("psi", "phi", *DISSOLVED), "1"),
}
"""Units of the columns of /series and of the fields in frames."""


class Observables(NamedTuple):
    """What is measured of a state beside sizes.

    Arguments:
        terms: the parts of the free energy, pN nm.
        content: int W X of each species over all membranes at their relaxed areas, nm^2, (species,).
        euler: Euler's characteristic of all membranes.
        tension: tension of each membrane, pN/nm, (membranes,).
        area: int delta of each membrane, nm^2, (membranes,).
        drawn: area that each membrane has from a reserve, nm^2, (membranes,).
    """

    terms: Terms
    content: Array
    euler: Array
    tension: Array
    area: Array
    drawn: Array


def surface_fields(membrane: Membrane, state: VesicleState) -> dict:
    """The fields on the membrane by name, each (n_z, n_y, n_x)."""
    return membrane.named(state.fields)


@eqx.filter_jit
def observables(membrane: Membrane, state: VesicleState) -> Observables:
    """Measures a state for the event table and the time series."""
    grid, eps, conserved = membrane.grid, membrane.interface_width, state.conserved
    near = surface.derivatives(state.psi, grid)
    return Observables(
        membrane.terms(near, state.fields, conserved),
        jnp.sum(membrane.relaxed_content(near, tuple(state.fields), conserved), 1),
        surface.euler_characteristic(state.psi, eps, grid),
        membrane.tension(near, state.fields, conserved),
        membrane.areas(near, conserved),
        membrane.drawn(near, conserved),
    )


def series_row(
    membrane: Membrane, state: VesicleState, membranes: list[ClosedMembrane], events: list
) -> dict[str, float]:
    """The columns of the time series that describe a state, without those on time, necks and steps.

    Arguments:
        membrane: the elastic properties and the free energy.
        state: the state.
        membranes: its closed membranes.
        events: rows of the event table so far.
    """
    measured = observables(membrane, state)
    terms = Terms(*map(float, measured.terms))
    content = membrane.named(measured.content)
    limiting = [m for m in membranes if not m.is_ilv]
    ilvs = [m for m in membranes if m.is_ilv]
    area, inside = (sum(m.area for m in group) for group in (limiting, ilvs))
    lumen, enclosed = (sum(m.volume for m in group) for group in (limiting, ilvs))
    scissions = [bool(is_ilv(row)) for row in events if row["kind"] == KINDS["scission"]]
    psi, phi = np.asarray(state.psi), np.asarray(state.phi)
    # The reduced volume is that of a single closed limiting membrane. With several it is not known in which one an ILV
    # lies. Two planes are not closed: lumen then reaches all along an axis, while a closed membrane does not.
    across = [(psi > 0).any(tuple(a for a in range(3) if a != axis)).all() for axis in range(3)]
    closed = len(limiting) == 1 and not any(across)
    return {
        "free_energy_pN_nm": sum(terms),
        **{f"{part}_energy_pN_nm": value for part, value in terms._asdict().items()},
        "tension_uN_per_m": float(measured.tension[0]) / PN_PER_NM_PER_UN_PER_M,
        "membrane_area_nm2": area,
        "ilv_area_nm2": inside,
        **_reserve_columns(membrane, state, float(measured.area[0]), float(measured.drawn[0])),
        "lumen_volume_nm3": lumen,
        "vesicle_volume_nm3": enclosed,
        "reduced_volume": 6 * np.pi**0.5 * (lumen + enclosed) / area**1.5 if closed else np.nan,
        "lo_fraction": sum(m.lo_area for m in membranes) / (area + inside),
        **{f"{'lo' if name == 'phi' else name}_content_nm2": float(amount) for name, amount in content.items()},
        "domain_number": components((phi > 0) & (np.abs(psi) < 0.5))[1],
        "vesicle_number": len(membranes),
        "ilv_number": len(ilvs),
        "ilv_count": sum(scissions),
        "outward_count": len(scissions) - sum(scissions),
        "fusion_count": len(events) - len(scissions),
        "euler_characteristic": float(measured.euler),
    }


def _reserve_columns(membrane: Membrane, state: VesicleState, area: float, drawn: float) -> dict[str, float]:
    """Area in nm^2 that the limiting membrane has from its reserve, and what is left of a reserve that ends.

    ``area`` (nm^2) is its present area.
    """
    if membrane.reservoir is None:
        return {}
    if membrane.reservoir.stretching is None:
        return {"drawn_area_nm2": drawn}
    left = float(state.conserved.most) - area
    return {"drawn_area_nm2": drawn, "reserve_area_nm2": left, "drained_volume_nm3": float(state.conserved.drained)}


def neck_columns(necks: list[BudNeck]) -> dict[str, float]:
    """Columns of the time series on necks: how many buds have one, and the radius (nm) of the narrowest, NaN without.

    Buds into the lumen and buds away from it ("outward") have columns of their own.
    """
    columns = {}
    for prefix, direction in (("", 1), ("outward_", -1)):
        radii = [neck.radius for neck in necks if neck.direction == direction]
        columns |= {f"{prefix}neck_number": float(len(radii)), f"{prefix}neck_radius_nm": min(radii, default=np.nan)}
    return columns
