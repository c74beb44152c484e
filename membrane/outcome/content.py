"""What vesicles carry: over the membrane that they came from, and how much it varies between them."""

import numpy as np


def enrichment(fraction, time_s, endosome, series_time_s, host_fraction):
    """Content of each vesicle over that of its host: x_vesicle / x_host.

    Arguments:
        fraction: area fraction x of a species in each vesicle, (n,).
        time_s: when each vesicle left, in s, (n,).
        endosome: which endosome it left, (n,), from 0 on.
        series_time_s: times of the rows of the series, rising, in s, (rows,).
        host_fraction: mean area fraction of the species in the limiting membrane, (rows, endosomes).

    The host is the whole limiting membrane, its domains included, at the last row before the vesicle left, or at the
    first row where there is none before. Returns the ratios, (n,); NaN where the host has nothing.

    >>> enrichment([0.2], [0.5], [0], [0.0, 0.4, 0.8], [[0.05], [0.04], [0.02]]).tolist()
    [5.0]
    """
    row = np.maximum(np.searchsorted(series_time_s, time_s, side="left") - 1, 0)
    host = np.asarray(host_fraction, float)[row, np.asarray(endosome, int)]
    return np.asarray(fraction, float) / np.where(host > 0, host, np.nan)


def fano_factor(copies) -> float:
    """Variance over mean of the copies that vesicles carry: 1 for independent molecules in equal vesicles.

    ``copies`` (n,); NaN is left out. The variance is that of a sample, n - 1. Vesicles of different sizes have more,
    and copies that are integrals of a smooth field have less. NaN with fewer than two vesicles or without copies.

    >>> fano_factor([90.0, 100.0, 110.0])
    1.0
    """
    known = np.asarray(copies, float)
    known = known[np.isfinite(known)]
    return float(known.var(ddof=1) / known.mean()) if known.size > 1 and known.mean() > 0 else float("nan")
