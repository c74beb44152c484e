"""Cryo-electron microscopy: whole vesicles in ice, whose outer diameter is measured."""

from membrane.instruments.kernel import gaussian


def cryo_em(edges_nm, diameter_nm, *, error_nm=0.0):
    """Probability of each bin: the outer diameter D with a Gaussian error of the outline.

    Arguments:
        edges_nm: edges of the bins of the measured diameter in nm, (bins + 1,).
        diameter_nm: outer diameters D in nm, (n,).
        error_nm: standard deviation of the error in nm.

    No vesicle is lost, and the mean is D. That thick ice holds more large vesicles than thin ice is left out.

    Returns K, (bins, n).

    >>> cryo_em([40.0, 50.0, 60.0], [50.0])[:, 0].tolist()
    [0.0, 1.0]
    """
    return gaussian(edges_nm, diameter_nm, error_nm)
