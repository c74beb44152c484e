"""Surfaces for ParaView: triangles as VTK PolyData (.vtp), and a table of their times (.pvd).

Such a file is a few arrays in XML. They are written here, because the library vtk would take 700 MB.
"""

import base64
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from membrane.figures.mesh import Mesh
from membrane.paths import SIGN

TYPES = {"f4": "Float32", "f8": "Float64", "i4": "Int32", "i8": "Int64"}


def write_vtp(path, mesh: Mesh) -> Path:
    """Write one mesh, with its fields as binary point data; return the path."""
    root = _root("PolyData")
    data = ElementTree.SubElement(root, "PolyData")
    count = {"NumberOfPoints": len(mesh.points), "NumberOfPolys": len(mesh.triangles)}
    piece = ElementTree.SubElement(data, "Piece", {name: str(value) for name, value in count.items()})
    fields = ElementTree.SubElement(piece, "PointData")
    for name, values in mesh.fields.items():
        _array(fields, name, values)
    _array(ElementTree.SubElement(piece, "Points"), "Points", mesh.points)
    polys = ElementTree.SubElement(piece, "Polys")
    _array(polys, "connectivity", mesh.triangles.ravel())
    _array(polys, "offsets", np.arange(3, 3 * len(mesh.triangles) + 1, 3, dtype=np.int32))
    return _write(path, root)


def write_pvd(path, times, files) -> Path:
    """Write the table that gives each of ``files`` (in the folder of ``path``) its time; return the path."""
    root = _root("Collection")
    table = ElementTree.SubElement(root, "Collection")
    for time, file in zip(times, files, strict=True):
        ElementTree.SubElement(table, "DataSet", {"timestep": repr(float(time)), "file": Path(file).name})
    return _write(path, root)


def _root(kind: str) -> ElementTree.Element:
    layout = {"version": "1.0", "byte_order": "LittleEndian", "header_type": "UInt64"}
    root = ElementTree.Element("VTKFile", {"type": kind} | layout)
    root.append(ElementTree.Comment(f" {SIGN} "))
    return root


def _array(parent, name: str, values) -> None:
    values = np.asarray(values, np.asarray(values).dtype.newbyteorder("<"))
    about = {"type": TYPES[values.dtype.str[1:]], "Name": name, "format": "binary"}
    if values.ndim == 2:
        about["NumberOfComponents"] = str(values.shape[1])
    content = np.array([values.nbytes], "<u8").tobytes() + values.tobytes()
    ElementTree.SubElement(parent, "DataArray", about).text = base64.b64encode(content).decode()


def _write(path, root) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    try:
        ElementTree.ElementTree(root).write(temporary, encoding="utf-8", xml_declaration=True)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
