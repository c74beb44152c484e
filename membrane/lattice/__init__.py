"""Periodic grids of points and fields on them: derivatives, transforms, slabs over several devices."""
