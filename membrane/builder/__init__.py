"""The geometries of a run by the key ``kind``: from a configuration to its physics, and one endosome of it."""

from membrane.builder.sheet import build
from membrane.builder.vesicle import build as build_vesicle
from membrane.sheet.replica import SheetReplica
from membrane.vesicle.replica import VesicleReplica

REPLICAS = {"sheet": (build, SheetReplica), "vesicle": (build_vesicle, VesicleReplica)}
"""By the key ``kind``: from configuration to physics, and one endosome of it. A replica has ``tick``, ``advance``,
``arrays`` for a checkpoint, ``fields`` for a frame, ``events``, and ``rows`` of the series with their ``columns``."""
