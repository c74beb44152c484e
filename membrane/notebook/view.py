"""The membrane of one endosome as a surface that can be turned with the mouse."""

from typing import TYPE_CHECKING

import numpy as np

from membrane.archive import RunRecord
from membrane.extras import needed

if TYPE_CHECKING:
    import pyvista

SEEN_THROUGH = 0.35
"""Opacity of a limiting membrane, through which the vesicles in its lumen are seen."""


def scene_of(record: RunRecord, frame: int, endosome: int) -> "pyvista.Plotter":
    """A scene of pyvista with the membrane of one frame, coloured by its Lo/Ld order phi.

    Raises ImportError where pyvista is not installed, and ValueError where there is no such frame or endosome.
    """
    with needed("view"):
        import pyvista
    if not len(record.frames):
        raise ValueError(f"{record.path} holds no frames; there is no membrane to view")
    vesicle = "psi" in record.frames.field_names
    surfaces = _vesicles(record, frame, endosome) if vesicle else [(_sheet(record, frame, endosome), 1.0)]
    scene = pyvista.Plotter()
    for surface, opacity in surfaces:
        scene.add_mesh(
            surface,
            scalars="phi",
            cmap="RdBu_r",
            clim=(-1, 1),
            opacity=opacity,
            smooth_shading=True,
            scalar_bar_args={"title": "Lo/Ld order phi"},
        )
    scene.add_text(f"{1e3 * record.frames.frame_times_s[frame]:.4g} ms", font_size=10)
    return scene


def _vesicles(record: RunRecord, frame: int, endosome: int) -> "list[tuple[pyvista.PolyData, float]]":
    """The limiting membrane, and the vesicles in its lumen, each with its opacity."""
    import pyvista

    from membrane.figures.frame import VesicleFrame
    from membrane.figures.mesh import surface_mesh

    mesh = surface_mesh(VesicleFrame(record, frame, endosome))
    limiting = (mesh.fields["vesicle"][mesh.triangles] == 0).all(axis=1)
    surfaces = []
    for chosen, opacity in ((limiting, SEEN_THROUGH), (~limiting, 1.0)):
        if chosen.any():
            surface = pyvista.PolyData.from_regular_faces(mesh.points, mesh.triangles[chosen])
            surface.point_data.update(mesh.fields)
            surfaces.append((surface, opacity))
    return surfaces


def _sheet(record: RunRecord, frame: int, endosome: int) -> "pyvista.StructuredGrid":
    """The sheet, lifted by its height where the run has one."""
    import pyvista

    if record.spacing_nm is None:
        raise ValueError(f"{record.path} is unfinished and does not tell its grid spacing; wait for the archive")
    fields = {name: record.frames.frame(name, frame, endosome) for name in record.frames.field_names}
    (dy, dx), phi = record.spacing_nm, fields["phi"]
    x, y = np.meshgrid(dx * np.arange(phi.shape[1]), dy * np.arange(phi.shape[0]))
    surface = pyvista.StructuredGrid(x, y, fields.get("height", np.zeros_like(phi)).astype(x.dtype))
    surface.point_data.update({name: values.ravel(order="F") for name, values in fields.items()})
    return surface
