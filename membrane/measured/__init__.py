"""What laboratories measure: files of NanoSight, ZetaView and TRPS, histograms and lists of diameters, read alike.

:func:`read_measured` finds out what a file is and gives a :class:`Measured`. No instrument is modelled here.
"""

from membrane.measured.grid import MeasuredError
from membrane.measured.histogram import Measured
from membrane.measured.reading import read_measured

__all__ = ["Measured", "MeasuredError", "read_measured"]
