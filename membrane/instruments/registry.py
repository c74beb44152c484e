"""All instruments by name, with their settings, for the command line and for tables."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np

from membrane.instruments.cryo_em import cryo_em
from membrane.instruments.dls import dls
from membrane.instruments.isopycnic import isopycnic
from membrane.instruments.negative_stain import negative_stain
from membrane.instruments.nta import nta, nta_tracks
from membrane.instruments.resistive_pulse import mrps, trps
from membrane.instruments.thin_section import thin_section


@dataclass(frozen=True)
class Setting:
    """One setting of an instrument.

    Attributes:
        default: its value if none is given. None: it must be given.
        unit: its unit, or "-".
        meaning: what it is.
        source: where the default comes from.
        low, high: the range that is allowed, ends included.
    """

    default: float | None
    unit: str
    meaning: str
    source: str
    low: float = 0.0
    high: float = float("inf")


@dataclass(frozen=True)
class Instrument:
    """An instrument: its kernel and what one must know to use it.

    Attributes:
        kernel: the pure function ``kernel(edges, diameter_nm, *, settings...) -> (bins, diameters)``.
        settings: name and :class:`Setting` of each of its settings.
        reports: the quantity that it reports.
        unit: the unit of that quantity, and of the edges of the bins.
        summary: one sentence: what it sees and what it loses.
    """

    kernel: Callable
    settings: dict[str, Setting]
    reports: str
    unit: str
    summary: str

    def checked(self, settings: dict | None = None) -> dict[str, float]:
        """All settings with their values: those given, and the defaults of the others.

        Raises ValueError where a name is not known, a value lies outside its range, or one without default is missing.
        """
        given = settings or {}
        if unknown := sorted(set(given) - set(self.settings)):
            raise ValueError(f"unknown setting {', '.join(unknown)}; known are {', '.join(self.settings)}")
        values = {name: given.get(name, setting.default) for name, setting in self.settings.items()}
        for name, value in values.items():
            setting = self.settings[name]
            unit = "" if setting.unit == "-" else f" {setting.unit}"
            if value is None:
                raise ValueError(f"setting {name} must be given ({setting.meaning}): {setting.source}")
            if not (math.isfinite(float(value)) and setting.low <= float(value) <= setting.high):
                raise ValueError(f"{name} is {value}{unit}; allowed is {setting.low:g} to {setting.high:g}{unit}")
        values = {name: float(value) for name, value in values.items()}
        low, high = (values.get(f"limit_{end}_nm", 0.0) for end in ("low", "high"))
        if low > high:
            raise ValueError(f"limit_low_nm is {low:g} nm and limit_high_nm {high:g} nm; were the two exchanged?")
        return values

    def matrix(self, edges, diameter_nm, **settings) -> jax.Array:
        """The kernel, (bins, n), after a check of all that is given; use ``kernel`` itself under ``jax.jit``.

        Arguments:
            edges: rising edges of the bins, (bins + 1,), in the unit of what is reported.
            diameter_nm: true outer diameters in nm, (n,), positive.
            settings: settings by name; the others have their defaults.

        Raises ValueError where something is not as said.

        >>> INSTRUMENTS["cryo_em"].matrix([0.0, 50.0, 100.0], [40.0, 60.0, 80.0]).sum(axis=1).tolist()
        [1.0, 2.0]
        """
        edges, diameter = np.asarray(edges, float), np.asarray(diameter_nm, float)
        if edges.ndim != 1 or edges.size < 2 or not np.all(np.diff(edges) > 0) or not np.all(np.isfinite(edges)):
            raise ValueError(f"edges of bins must be a list of two or more rising numbers; given {edges}")
        if diameter.ndim != 1 or not np.all((diameter > 0) & np.isfinite(diameter)):
            raise ValueError("diameters must be a list of positive, finite numbers in nm; leave out what is not known")
        return jax.jit(self.kernel)(edges, diameter, **self.checked(settings))


_CAVALLARO = "Cavallaro et al. 2021 Nanoscale Adv (abstract)"
_UNVERIFIED = "unverified"
_OF_YOURS = "of the instrument"
_ERROR_NM = Setting(0.0, "nm", "standard deviation of the error of a diameter", _UNVERIFIED)
_LAYER_NM = Setting(0.0, "nm", "water dragged along beyond the outer face", _UNVERIFIED)
_SHELL_NM = Setting(5.0, "nm", "thickness of the vesicle's shell", _UNVERIFIED, 0.1)
_LIGHT = {
    "shell_nm": _SHELL_NM,
    "lumen_contrast": Setting(0.0, "-", "excess refractive index of the lumen over that of the shell", _UNVERIFIED),
    "laser_nm": Setting(488.0, "nm", "wavelength of the laser in vacuum", _OF_YOURS, 200.0, 2000.0),
    "refractive_index": Setting(1.34, "-", "refractive index of the medium", "water with salt (recalled)", 1.0, 2.0),
}
_DETECTION = {
    "limit_nm": Setting(70.0, "nm", "outer diameter of which half is tracked; 0: all are", _CAVALLARO),
    "intensity_spread": Setting(
        0.5, "-", "standard deviation of the logarithm of the light of equal vesicles", _UNVERIFIED
    ),
    **_LIGHT,
    "half_aperture_deg": Setting(17.0, "deg", "half angle of the objective in the medium", "recalled", 0.0, 80.0),
}


def _limits(low_nm: float, high_nm: float) -> dict[str, Setting]:
    return {
        "limit_low_nm": Setting(low_nm, "nm", "diameter of which 16 % are detected", _CAVALLARO),
        "limit_high_nm": Setting(high_nm, "nm", "diameter of which 84 % are detected", _CAVALLARO),
        "error_cv": Setting(0.0, "-", "standard deviation of the error over the diameter", _UNVERIFIED, 0.0, 1.0),
    }


INSTRUMENTS: dict[str, Instrument] = {
    "thin_section": Instrument(
        thin_section,
        {
            "section_nm": Setting(65.0, "nm", "thickness of the section", "60 to 70 nm in use (Rothman et al. 2023)"),
            "cap_angle_deg": Setting(
                41.0, "deg", "least cap angle that is recognised", "41 +- 5, Rothman et al. 2023", 0.0, 89.0
            ),
        },
        "profile diameter",
        "nm",
        "Thin-section electron microscopy: profiles are smaller than vesicles, and large vesicles show more of them.",
    ),
    "cryo_em": Instrument(
        cryo_em, {"error_nm": _ERROR_NM}, "outer diameter", "nm", "Cryo-electron microscopy: unbiased, nothing is lost."
    ),
    "negative_stain": Instrument(
        negative_stain,
        {
            "shrinkage": Setting(
                None, "-", "measured over true diameter", "measure it against cryo-EM of the same sample", 0.01, 10.0
            ),
            "error_nm": _ERROR_NM,
        },
        "diameter on the film",
        "nm",
        "Negative stain: dried vesicles are smaller or flatter by a factor; nothing is lost.",
    ),
    "nta": Instrument(
        nta,
        {
            "spread_cv": Setting(0.12, "-", "point spread that is left", "beads of 100 nm, measured", 0.0, 2.0),
            "layer_nm": _LAYER_NM,
            **_DETECTION,
        },
        "hydrodynamic diameter",
        "nm",
        "Particle tracking after the correction for finite tracks (FTLA): small vesicles scatter too little.",
    ),
    "nta_tracks": Instrument(
        nta_tracks,
        {
            "steps": Setting(None, "-", "steps of a track", "of the video: the mean length of its tracks", 1.0),
            "layer_nm": _LAYER_NM,
            **_DETECTION,
        },
        "hydrodynamic diameter",
        "nm",
        "Particle tracking, track by track: short tracks spread the diameters upwards; small vesicles are lost.",
    ),
    "trps": Instrument(
        trps,
        _limits(118.0, 128.0),
        "outer diameter",
        "nm",
        "Tunable resistive pulses: unbiased above the limit of the pore, blind below.",
    ),
    "mrps": Instrument(
        mrps,
        _limits(65.0, 75.0),
        "outer diameter",
        "nm",
        "Microfluidic resistive pulses: unbiased above the limit of the chip, blind below.",
    ),
    "dls": Instrument(
        dls,
        {
            **_LIGHT,
            "laser_nm": Setting(633.0, "nm", "wavelength of the laser in vacuum", _OF_YOURS, 200.0, 2000.0),
            "angle_deg": Setting(173.0, "deg", "scattering angle", _OF_YOURS, 0.0, 180.0),
            "layer_nm": _LAYER_NM,
            "reference_nm": Setting(100.0, "nm", "outer diameter whose intensity is 1", "a convention", 1.0),
        },
        "hydrodynamic diameter, by intensity",
        "nm",
        "Dynamic light scattering: vesicles count by their light, so that few large ones hide many small ones.",
    ),
    "isopycnic": Instrument(
        isopycnic,
        {
            "shell_g_per_ml": Setting(None, "g/ml", "density of the shell in the medium", "of the medium", 0.5, 2.0),
            "lumen_g_per_ml": Setting(None, "g/ml", "density of the lumen in the medium", "of the medium", 0.5, 2.0),
            "shell_nm": _SHELL_NM,
            "error_g_per_ml": Setting(0.0, "g/ml", "standard deviation within a fraction", _UNVERIFIED),
        },
        "density",
        "g/ml",
        "Isopycnic gradient: the density of shell and lumen, which depends on the diameter.",
    ),
}
"""Instruments by the name that the command line knows."""
