"""The geometries of a run by the key ``kind``: from a configuration to its physics, and one endosome of it."""

from membrane.build import build
from membrane.build_vesicle import build as build_vesicle
from membrane.sheet_replica import SheetReplica
from membrane.vesicle_replica import VesicleReplica

REPLICAS = {"sheet": (build, SheetReplica), "vesicle": (build_vesicle, VesicleReplica)}
"""By the key ``kind``: from configuration to physics, and one endosome of it. A replica has ``tick``, ``advance``,
``arrays`` for a checkpoint, ``fields`` for a frame, ``events``, and ``rows`` of the series with their ``columns``."""
