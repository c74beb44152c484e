"""One domain that buds: the energy it climbs, the laws that answer how fast, and what becomes of its neck."""
