"""Grids of points, and fields on them: derivatives, transforms, and slabs over several devices."""
