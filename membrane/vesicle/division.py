"""How closed membranes are divided into patches: the points that are nearer to one Lo domain than to any other."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from membrane.energy import lo_order
from membrane.vesicle import surface
from membrane.vesicle.conserved import Conserved
from membrane.vesicle.energy import Membrane
from membrane.vesicle.patches import Patches, total
from membrane.vesicle.topology import MARGIN, components

SMALLEST_DOMAIN = 2.0
"""Radius of a disc, in interface widths of the membrane. What is smaller is no domain of its own."""

IN_THE_MEMBRANE = 0.95
"""|psi| below which a point tells of what phase the membrane is."""

PADDING = 64
"""The number of patches is rounded up to a multiple of this one, because each number is another compiled program."""


def divided(membrane: Membrane, psi, fields, conserved: Conserved) -> Conserved:
    """``conserved`` with the patches of this state; without patches where no membrane has two domains.

    Arguments:
        membrane: of the run.
        psi: the phase field, (n_z, n_y, n_x).
        fields: the fields on the membrane, (species, n_z, n_y, n_x).
        conserved: what each closed membrane keeps.
    """
    labels, owner = _labels(membrane, np.asarray(psi), np.asarray(fields[0]), conserved)
    if len(owner) == conserved.count:
        return undivided(conserved)
    owner = np.pad(owner, (0, -len(owner) % PADDING), mode="edge")
    return eqx.tree_at(
        lambda kept: kept.patches,
        conserved,
        _patches(membrane, psi, fields, undivided(conserved), jnp.asarray(labels), jnp.asarray(owner)),
        is_leaf=lambda leaf: leaf is None,
    )


def undivided(conserved: Conserved) -> Conserved:
    """``conserved`` without patches."""
    return eqx.tree_at(lambda kept: kept.patches, conserved, None, is_leaf=lambda leaf: leaf is None)


@eqx.filter_jit
def _patches(membrane, psi, fields, conserved, labels, owner) -> Patches:
    """The patches with what they have now, corrected so that together they have what the membranes keep."""
    grid, near = membrane.grid, surface.derivatives(psi, membrane.grid)
    weight, areas = membrane.weight(near), membrane.areas(near, conserved)
    fields = membrane.corrected(near, fields, conserved)
    over = lambda field: total(field, labels, owner.size) * grid.cell_volume
    return Patches(
        labels,
        owner,
        area=over(surface.delta(near, membrane.interface_width)),
        content=jnp.stack([over(weight * field) for field in fields]),
        host=_host(membrane, weight, fields, conserved),
        stretched=conserved.stretched(areas, membrane.reservoir),
    )


def _host(membrane, weight, fields, conserved):
    """X_h of every species and membrane, (species, membranes)."""
    regions = conserved.regions(membrane.grid.dtype)
    ld = regions * (weight * (1 - lo_order(fields[0])))
    whole = jnp.maximum(ld.sum((1, 2, 3)), jnp.finfo(ld.dtype).tiny)
    means = jnp.stack([(ld * field).sum((1, 2, 3)) / whole for field in fields])
    if membrane.reservoir is None:
        return means
    return means.at[:, 0].set(jnp.asarray(membrane.reservoir.fields, means.dtype))


def _labels(membrane, psi, phi, conserved) -> tuple[np.ndarray, np.ndarray]:
    """The patch of every point (n_z, n_y, n_x), and the membrane of every patch."""
    near = surface.derivatives(jnp.asarray(psi), membrane.grid)
    area = np.asarray(membrane.weight(near)) * membrane.grid.cell_volume
    least = np.pi * (SMALLEST_DOMAIN * membrane.interface_width) ** 2
    inside, regions = np.abs(psi) < IN_THE_MEMBRANE, np.asarray(conserved.labels)
    labels, owner = np.zeros(psi.shape, np.int32), []
    for i in range(conserved.count):
        region = regions == i
        domain, count = components(region & inside & (phi > 0))
        sizes = np.bincount(domain.ravel(), area.ravel(), count + 1)
        large = [n for n in range(1, count + 1) if sizes[n] >= least]
        number = np.zeros(count + 1, np.int32)
        number[large] = len(owner) + np.arange(len(large))
        seeds = np.isin(domain, large)
        labels[region] = number[_nearest(domain, seeds, membrane.grid)][region] if len(large) > 1 else len(owner)
        owner += [i] * max(len(large), 1)
    return labels, np.array(owner, np.int32)


def _nearest(domain, seeds, grid) -> np.ndarray:
    """The domain that is nearest to each point of the periodic box, of those that have points in ``seeds``."""
    wide = np.pad(seeds, MARGIN, mode="wrap")
    at = ndimage.distance_transform_edt(~wide, grid.spacing, return_distances=False, return_indices=True)
    inner = (slice(None), *(slice(MARGIN, MARGIN + n) for n in seeds.shape))
    return domain[tuple((a - MARGIN) % n for a, n in zip(at[inner], seeds.shape, strict=True))]
