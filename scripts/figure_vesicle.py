"""One domain leaves an endosome as an ILV: runs it (about half a minute) and draws STEM.png and STEM.pdf.

Upper row: the membrane, cut open, Lo orange and Ld blue. Lower row: the middle section, lumen grey.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LightSource, to_rgb
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from scipy import ndimage
from skimage import measure

from membrane.energy import Lipids
from membrane.grid import Grid
from membrane.units import thermal_energy
from membrane.vesicle import Membrane, Relaxation, State, Transport, evolve, initial

RADIUS, DOMAIN, SPACING, EPS = 75.0, 54.0, 3.5, 4.5
"""Endosome's radius, L of the domain (area pi L^2), grid spacing and interface width in nm."""

LD, LO = np.array(to_rgb("#0072B2")), np.array(to_rgb("#E69F00"))


def run(after: int):
    """Frames (trials, psi, phi) up to ``after`` rounds beyond the fission, its frame, the grid, the vesicle."""
    grid = Grid((56, 56, 56), (56 * SPACING,) * 3, "float32")
    kappa = 20 * thermal_energy(37.0)
    lipids = Lipids.from_wall(line_tension=5.0, interface_width=EPS)
    model = Membrane(grid, EPS, (kappa, kappa), (0.0, 0.08), lipids, 1000.0)
    psi = initial.profile(initial.sphere(grid, RADIUS), EPS, grid)
    phi = initial.profile(initial.cap(grid, RADIUS, np.pi * DOMAIN**2), EPS, grid)
    state = State.at_rest(model, psi, phi, model.open_books(psi, phi))
    frames, fission, vesicle = [(0, np.asarray(psi), np.asarray(phi))], None, None
    for last in evolve(model, Relaxation(14.0), Transport(1e6), state, rounds=100, dt=4e-6):
        frames.append((last.trials, np.asarray(last.state.psi), np.asarray(last.state.phi)))
        if last.events:
            fission, vesicle = len(frames) - 1, last.events[0].vesicle
        if fission is not None and len(frames) > fission + after:
            return frames, fission, grid, vesicle
    raise RuntimeError("no fission within 100 rounds")


def draw(frames, grid, vesicle) -> Figure:
    """Both rows."""
    figure = Figure(figsize=(7.0, 3.0))
    FigureCanvasAgg(figure)
    count = len(frames)
    for i, (trials, psi, phi) in enumerate(frames):
        axes = figure.add_axes(
            (i / count - 0.03, 0.385, 1 / count + 0.06, 0.62), projection="3d", computed_zorder=False
        )
        draw_surface(axes, psi, phi, grid)
        below = figure.add_axes((i / count + 0.008, 0.07, 1 / count - 0.016, 0.36))
        draw_section(below, psi, phi, grid)
        below.set_title(f"{trials} steps", fontsize=7, y=-0.19)
    bar = figure.axes[1]
    bar.plot([10, 60], [12, 12], color="white", lw=2, solid_capstyle="butt")
    bar.text(35, 17, "50 nm", color="white", ha="center", fontsize=6)
    figure.text(0.995, 0.975, f"ILV of {vesicle.diameter:.1f} nm, domain L = {DOMAIN:.0f} nm", ha="right", fontsize=7)
    return figure


def draw_surface(axes, psi, phi, grid):
    """psi = 0 without the quarter that faces the reader."""
    # A finer lattice makes the surface smooth; psi is band-limited.
    fine = ndimage.zoom(psi, 2, order=3, grid_mode=True, mode="grid-wrap")
    spacing = tuple(h / 2 for h in grid.spacing)
    vertices, faces, _, _ = measure.marching_cubes(fine, 0.0, spacing=spacing)
    order = ndimage.map_coordinates(
        np.asarray(phi, float), (vertices / np.array(grid.spacing)).T - 0.25, order=1, mode="grid-wrap"
    )
    triangles = vertices[faces]
    centre = triangles.mean(1)
    middle = np.array(grid.extent) / 2
    shown = ~((centre[:, 1] < middle[1]) & (centre[:, 2] > middle[2]))
    triangles, share = triangles[shown], 0.5 * (1 + np.clip(order[faces].mean(1)[shown], -1, 1))[:, None]
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-12
    light = LightSource(azdeg=315, altdeg=50).direction
    # x, y, z of the plot are x, y, z of the box, whose arrays run z, y, x.
    shade = 0.45 + 0.55 * np.abs(normal[:, ::-1] @ np.array([light[0], -abs(light[1]), light[2]]))
    colours = np.clip(((1 - share) * LD + share * LO) * shade[:, None], 0, 1)
    axes.add_collection3d(
        Poly3DCollection(triangles[:, :, ::-1], facecolors=colours, edgecolors=colours, linewidths=0.1)
    )
    reach = 80.0
    axes.set(xlim=(middle[2] - reach, middle[2] + reach), ylim=(middle[1] - reach, middle[1] + reach))
    axes.set_zlim(middle[0] - reach, middle[0] + reach)
    axes.set_box_aspect((1, 1, 1), zoom=1.2)
    axes.view_init(elev=28, azim=-45)
    axes.set_axis_off()
    axes.patch.set_visible(False)


def draw_section(axes, psi, phi, grid):
    """The plane y = middle: membrane by order, lumen light, cytosol dark."""
    n = grid.shape[1] // 2
    wide = lambda f: ndimage.zoom(f[:, n], 6, order=3, grid_mode=True, mode="grid-wrap")
    psi, share = wide(psi), np.clip(0.5 * (1 + wide(phi)), 0, 1)[..., None]
    lumen = np.clip(0.5 * (1 + psi), 0, 1)[..., None]
    membrane = np.clip(1.15 * (1 - psi**2), 0, 1)[..., None] ** 1.5
    ground = (1 - lumen) * np.array([0.25, 0.25, 0.27]) + lumen * np.array([0.88, 0.88, 0.86])
    picture = (1 - membrane) * ground + membrane * ((1 - share) * LD + share * LO)
    extent = (0, grid.extent[2], 0, grid.extent[0])
    axes.imshow(np.clip(picture, 0, 1), origin="lower", extent=extent, interpolation="bilinear")
    axes.set_axis_off()


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", metavar="STEM", type=Path, default=Path("runs/vesicle"))
    options = parser.parse_args(arguments)
    frames, fission, grid, vesicle = run(after=25)
    before = np.linspace(0, fission - 1, 5).round().astype(int)
    figure = draw([frames[i] for i in (*before, len(frames) - 1)], grid, vesicle)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    for suffix in (".png", ".pdf"):
        path = options.output.with_suffix(suffix)
        figure.savefig(path, dpi=300)
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
