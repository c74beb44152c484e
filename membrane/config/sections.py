"""Parts that the configurations of sheets and vesicles share: numbers with bounds, and sections of a membrane."""

from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from membrane.config.provenance import NO_SOURCE, NUMERICAL, Provenance
from membrane.config.text import EXPONENT

LEAST, MOST = 1e-12, 1e12
"""Bounds of every quantity in its unit, so that products of a few quantities are numbers of a computer."""

# Strict: a text or a truth value is never taken for a number, nor a number for a truth value.
Number = Annotated[float, Field(strict=True, ge=-MOST, le=MOST, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Positive = Annotated[float, Field(strict=True, ge=LEAST, le=MOST, allow_inf_nan=False)]
NonNegative = Annotated[Number, Field(ge=0)]
Fraction = Annotated[Number, Field(ge=0, le=1)]
Order = Annotated[Number, Field(gt=-1, lt=1)]
Dilute = Annotated[Number, Field(gt=0, lt=1)]

ENDINGS = (".h5", ".partial", ".png")
"""Endings that the package appends to a name."""

DEVICES = {"con", "prn", "aux", "nul"} | {f"{device}{number}" for device in ("com", "lpt") for number in range(10)}
"""Names that mean devices on Windows, whatever their ending."""


def _is_name(name: str) -> str:
    letters = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    if not name or not set(name) <= letters:
        raise ValueError("a name is made of the letters a to z and A to Z, digits, '.', '_' and '-'")
    if name[0] in ".-" or name[-1] == ".":
        raise ValueError("a name begins with a letter, a digit or '_' and does not end with '.'")
    if len(name) > 100:
        raise ValueError("a name has at most 100 characters")
    if name.lower().endswith(ENDINGS):
        raise ValueError(f"a name does not end with {', '.join(ENDINGS)}: these endings are given to files")
    if EXPONENT.fullmatch(name):
        raise ValueError("this name is read as a number: add a letter")
    if name.lower().partition(".")[0] in DEVICES:
        raise ValueError("this name is reserved for a device on Windows: take another")
    return name


Name = Annotated[str, AfterValidator(_is_name)]
"""A name, after which files and folders are called."""


class Section(BaseModel):
    """A part of a configuration. It cannot be changed, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class PhasesConfig(Section):
    """The liquid-disordered phase Ld, the liquid-ordered phase Lo, and the wall between them."""

    line_tension_pN: Annotated[
        Positive,
        Provenance(
            (0.3, 3.0),
            "Baumgart, Hess & Webb 2003 Nature 425:821: 0.9(3); Semrau et al 2008 PRL 100:088101: 1.2(3)",
            "recalled",
            "near a critical point 0 to 0.5",
        ),
        Provenance(None, "Usery et al 2017 Biophys J 112:1431: domain size jumps at about 0.3", "read in part"),
    ] = Field(description="line tension of the wall between Lo and Ld without ceramide and cargo, which change it")
    interface_width_nm: Annotated[Positive, Provenance(None, "a few nm, well below a domain", "numerical")] = Field(
        description="xi, width of the wall between Lo and Ld: phi = tanh(x/(sqrt2 xi)) across it"
    )
    diffusion_ld_um2_per_s: Annotated[
        Positive,
        Provenance(
            (2.0, 10.0),
            "taken for cell membranes; synthetic bilayers 5, Kahya et al 2003 JBC 278:28109",
            "unverified",
            "synthetic",
        ),
    ] = Field(description="diffusion coefficient of lipids in Ld")
    diffusion_lo_um2_per_s: Annotated[
        Positive,
        Provenance((0.2, 3.0), "taken for cell membranes; synthetic 0.5, Kahya et al 2003 JBC 278:28109", "unverified"),
    ] = Field(description="diffusion coefficient of lipids in Lo")
    area_per_lipid_ld_nm2: Annotated[Positive, Provenance((0.60, 0.72), "-", "unverified")] = Field(
        description="area per lipid in Ld, by which lipids are counted"
    )
    area_per_lipid_lo_nm2: Annotated[
        Positive, Provenance((0.38, 0.48), "per lipid, cholesterol included", "unverified")
    ] = Field(description="area per lipid in Lo, by which lipids are counted")


def _contrast_per_kappa(section) -> float | None:
    """The absolute contrast in units of kappa_Ld; None where it is 0, which means that none is set."""
    return abs(section.gaussian_modulus_contrast_kBT) / section.bending_rigidity_ld_kBT or None


GaussianContrast = Annotated[
    Number,
    Provenance(
        (1.0, 4.0),
        "0: not set. Ld minus Lo is reported as +3.6 kappa_Ld (Baumgart et al 2005 Biophys J 89:1067): the key, Lo "
        "minus Ld, would be -3.6 kappa_Ld. The sign was not re-checked. On a sheet it moves the median most",
        "unverified",
        "kappa_Ld in size",
        of=_contrast_per_kappa,
    ),
]
"""kappa_G of Lo minus kappa_G of Ld, in k_B T."""


class RigidityConfig(Section):
    """Bending rigidity of both phases."""

    bending_rigidity_ld_kBT: Annotated[Positive, Provenance((10.0, 45.0), "DOPC, many methods", "recalled")] = Field(
        description="kappa of Ld"
    )
    bending_rigidity_lo_kBT: Annotated[
        Positive,
        Provenance((40.0, 200.0), "published values (Semrau 2008: about 190); 40 is their lower end", "unverified"),
        Provenance(
            (10.0, 20.0),
            "real vesicles are softer: red-cell EVs about 15, Vorselen et al 2018 Nat Commun, doi "
            "10.1038/s41467-018-07445-x",
            "read in part",
        ),
    ] = Field(description="kappa of Lo")


class Sphingomyelinase(Section):
    """Sphingomyelinase, the enzyme that makes ceramide.

    On its leaflet dc/dt = rate w(phi) (saturation - c), where w rises from 0 in Ld to 1 in Lo.
    """

    leaflet: Annotated[
        Literal["cytosolic", "luminal"],
        Provenance(
            None,
            "sign: enzyme outside giant vesicles buds inward, Holopainen et al 2000 Biophys J 78:830. SM is mostly "
            "luminal; that it reaches the cytosolic leaflet is shown in damaged lysosomes (Niekamp et al 2022 Nat "
            "Commun 13:1875)",
            "read in part",
        ),
    ] = Field(description="leaflet in which the enzyme makes ceramide")
    rate_per_s: Annotated[NonNegative, Provenance(None, "no number found", "unverified")] = Field(
        description="rate at which ceramide approaches saturation in Lo"
    )
    saturation_fraction: Annotated[Fraction, NO_SOURCE] = Field(
        description="area fraction of ceramide at which the enzyme stops"
    )


class CeramideConfig(Section):
    """Ceramide, with an area fraction in each leaflet of the membrane."""

    cytosolic_fraction: Annotated[
        Dilute,
        Provenance(
            (0.003, 0.1),
            'as enriched by the enzyme, an assumption; "up to 10 mol%" on stimulation (Carter Ramirez et al 2013 '
            "Langmuir 29:3380, introduction; total, read in part)",
            "unverified",
        ),
    ] = Field(description="mean area fraction in the cytosolic leaflet at the start")
    luminal_fraction: Annotated[Dilute, Provenance((0.001, 0.01), "resting cell, 0.3 mol%", "unverified")] = Field(
        description="mean area fraction in the luminal leaflet at the start"
    )
    patch_area_nm2: Annotated[Positive, Provenance(None, "coarse-graining area", "numerical")] = Field(
        description="area of a patch, the unit of the mixing entropy"
    )
    affinity_lo: Annotated[Number, NO_SOURCE] = Field(
        description="chi_c: a patch has the energy -chi_c p in k_B T, p = 1 in Lo and -1 in Ld"
    )
    monolayer_curvature_ceramide_per_nm: Annotated[
        Number,
        Provenance(
            (-1.0, -0.2),
            "no value found; negative sign for long chains: Goni et al 2005 Biochem Soc Symp 72:177 (read in part)",
            "unverified",
        ),
    ] = Field(description="spontaneous curvature J of a monolayer of ceramide")
    monolayer_curvature_sphingomyelin_per_nm: Annotated[
        Number,
        Provenance((-0.20, -0.06), "egg SM -0.13 +- 0.07, Kollmitzer et al 2013 Soft Matter 9:10877", "unverified"),
    ] = Field(description="J of a monolayer of sphingomyelin, which ceramide replaces")
    diffusion_ld_um2_per_s: Annotated[Positive, Provenance(None, "as for lipids", "unverified")] = Field(
        description="diffusion coefficient in Ld"
    )
    diffusion_lo_um2_per_s: Annotated[Positive, Provenance(None, "as for lipids", "unverified")] = Field(
        description="diffusion coefficient in Lo"
    )
    sphingomyelinase: Sphingomyelinase | None = None
    turnover_rate_per_s: Annotated[NonNegative, NO_SOURCE] = Field(description="rate at which ceramide is removed")
    flip_flop_rate_per_s: Annotated[
        NonNegative,
        Provenance((0.01, 10.0), "no source; must be finite, it destroys the asymmetry", "unverified"),
        Provenance(
            (0.01, 1.0),
            "half-time below 1 min at 37 C, Lopez-Montero et al 2005 JBC 280:25811 (title page read): a bound from the "
            "slow side",
            "unverified",
        ),
    ] = Field(description="rate at which ceramide changes the leaflet")


class OligomersConfig(Section):
    """Oligomers (n-mers) of the cargo."""

    size: Annotated[
        Whole,
        Field(ge=2, le=100),
        Provenance(
            (4.0, 20.0),
            "copies in a cluster; clusters below 120 nm: Zuidscherwoude et al 2015 Sci Rep 5:12201 (read in part)",
            "unverified",
        ),
    ] = Field(description="n, monomers in an oligomer")
    bond_energy_kBT: Annotated[
        Number, Field(ge=0, le=100), Provenance((2.0, 8.0), "**no measurement found**", "unverified")
    ] = Field(description="energy gained by each of the n - 1 bonds of an oligomer")
    affinity_lo: Annotated[
        Number,
        Field(ge=-2, le=2),
        Provenance((-2.0, 2.0), "no source; 2 is the largest that the scheme takes", "unverified"),
    ] = Field(description="chi_n: an oligomer has the energy -chi_n p in k_B T, p = 1 in Lo and -1 in Ld")
    spontaneous_curvature_per_nm: Annotated[
        Number,
        Provenance(
            (0.05, 0.2),
            "assumed; sign: TSPAN4 and CD9 prefer tubes pulled outward, Dharan et al 2022 PNAS 119(43), doi "
            "10.1073/pnas.2208993119 (read in part)",
            "unverified",
        ),
    ] = Field(description="c0 per unit area fraction of oligomers; positive buds into the lumen")
    dissociation_rate_per_s: Annotated[NonNegative, NO_SOURCE] = Field(
        description="rate at which an oligomer falls apart"
    )
    diffusion_ld_um2_per_s: Annotated[Positive, Provenance(None, "slower than monomers; no source", "unverified")] = (
        Field(description="diffusion coefficient of oligomers in Ld")
    )
    diffusion_lo_um2_per_s: Annotated[Positive, Provenance(None, "slower than monomers; no source", "unverified")] = (
        Field(description="diffusion coefficient of oligomers in Lo")
    )


class CargoConfig(Section):
    """Cargo proteins, such as tetraspanins. Without the section ``oligomers`` they stay monomers."""

    fraction: Annotated[
        Number, Field(gt=0, lt=0.9), Provenance(None, "of the membrane area; no source", "unverified")
    ] = Field(description="mean area fraction of all cargo, oligomers included")
    footprint_nm2: Annotated[
        Positive, Provenance((7.0, 13.0), "tetraspanin, four helices, CD81 crystal", "unverified")
    ] = Field(description="area of the membrane that a monomer takes")
    affinity_lo: Annotated[Number, Field(ge=-2, le=2), NO_SOURCE] = Field(
        description="chi_1: a monomer has the energy -chi_1 p in k_B T, p = 1 in Lo and -1 in Ld"
    )
    diffusion_ld_um2_per_s: Annotated[
        Positive,
        Provenance(
            (0.05, 0.3), "CD9, Espenel et al 2008 J Cell Biol 182:765 (mostly Brownian: read in part)", "unverified"
        ),
    ] = Field(description="diffusion coefficient of monomers in Ld")
    diffusion_lo_um2_per_s: Annotated[Positive, Provenance(None, "0.3 of Ld, as for lipids", "unverified")] = Field(
        description="diffusion coefficient of monomers in Lo"
    )
    oligomers: OligomersConfig | None = None


class EndosomeConfig(Section):
    """The area and volume of the whole endosome, a sphere of the area of the membrane at the start."""

    area_modulus_mN_per_m: Annotated[Positive, Provenance(None, "-", "unverified")] = Field(
        default=240.0, description="modulus of the membrane against stretching"
    )
    lysis_tension_mN_per_m: Annotated[
        Positive, Provenance((5.0, 10.0), "depends on the loading rate", "unverified")
    ] = Field(default=7.0, description="the membrane bursts at it: no vesicle leaves that would bring it there")
    shortest_undulation_nm: Annotated[
        Positive, Provenance(None, "a convention near the bilayer's thickness", "unverified")
    ] = Field(default=5.0, description="half the shortest wavelength of undulations that store area")
    volume_regulation_time_s: Annotated[Positive | None, NO_SOURCE] = Field(
        default=None,
        description="time in which the lumen gives fluid off while the tension is above that at the start; none: never",
    )

    def tension_faults(self, rest: float) -> list[str]:
        """A sentence where the tension at rest, ``rest`` in uN/m, would already burst the membrane."""
        lysis = self.lysis_tension_mN_per_m
        if rest < 1e3 * lysis:
            return []
        return [
            f"membrane.tension_uN_per_m {rest:g} must lie below endosome.lysis_tension_mN_per_m {lysis:g} "
            f"({1e3 * lysis:g} uN/m)"
        ]


class ReserveConfig(Section):
    """Membrane for new vesicles: a reserve at the start.

    It has the composition that is given here. Fractions that are not given are the means of the membrane at the start.
    What is said here of ceramide or cargo has no effect where that section is absent.
    """

    reserve_fraction: Annotated[
        NonNegative,
        Provenance(
            None,
            "20 ILVs of 50 nm take 31 % of a 400-nm endosome; 20 % at 40 nm, 45 % at 60 nm",
            "derived",
        ),
        Provenance(
            None, "mean of 21 ILVs an endosome (yeast): Adell et al 2017 eLife 6:e31652", "read", "to about 65 ILVs"
        ),
    ] = Field(description="area in hand at the start, in units of the endosome's area")
    order: Annotated[
        Number, Field(ge=-1, le=1), Provenance((-1.0, 1.0), "arriving membrane is taken as Ld", "unverified")
    ] = Field(default=-1.0, description="order parameter phi of arriving membrane: 1 is Lo, -1 is Ld")
    ceramide_cytosolic_fraction: Annotated[
        Dilute | None, Provenance((0.001, 0.01), "resting membrane", "unverified")
    ] = Field(default=None, description="of arriving membrane; none: as ceramide.cytosolic_fraction")
    ceramide_luminal_fraction: Annotated[Dilute | None, Provenance((0.001, 0.01), "resting membrane", "unverified")] = (
        Field(default=None, description="of arriving membrane; none: as ceramide.luminal_fraction")
    )
    cargo_fraction: Annotated[Annotated[Number, Field(gt=0, lt=0.9)] | None, NO_SOURCE] = Field(
        default=None, description="of arriving membrane; none: as cargo.fraction"
    )


class RecordConfig(Section):
    """What the archive keeps, and how often. Intervals are in simulated time."""

    series_interval_ms: Annotated[Positive, NUMERICAL] = Field(
        description="simulated time between rows of /series; rounded up to whole longest steps of a "
        "sheet or of kinetics, to whole looks of a vesicle"
    )
    checkpoint_interval_ms: Annotated[Positive, NUMERICAL] = Field(
        description="simulated time between checkpoints; rounded up to whole looks of a sheet, to whole "
        "rounds of a vesicle, to whole longest steps of kinetics"
    )
    keep_checkpoint: Annotated[bool, NUMERICAL] = Field(
        default=True, description="whether the archive keeps the last state, from which --resume extends the run"
    )


class OutputConfig(RecordConfig):
    """What the archive keeps, and how often. Intervals are in simulated time."""

    frame_interval_ms: Annotated[Positive, NUMERICAL] = Field(
        description="simulated time between frames; rounded up to whole longest steps of a sheet, to "
        "whole rounds of a vesicle"
    )


class RunConfig(Section):
    """Keys that every run has."""

    name: Annotated[Name, NUMERICAL] = Field(description="name of the run and of the files that it leaves")
    kind: str = Field(description="geometry of the run")
    seed: Annotated[Whole, Field(ge=0, lt=2**31), NUMERICAL] = Field(
        default=0, description="seed of all random numbers; the same seed gives the same run"
    )
    endosomes: Annotated[Whole, Field(ge=1, le=100_000), Provenance(None, "the run's size", "numerical")] = Field(
        description="number of independent endosomes"
    )
    duration_s: Annotated[Positive, Provenance(None, "the run's size", "numerical")] = Field(
        description="simulated time"
    )
    temperature_C: Annotated[
        Number, Field(ge=0, le=100), Provenance(None, "body temperature; kT = 4.2821 pN nm", "-")
    ] = Field(default=37.0, description="temperature, which sets k_B T")

    def to_yaml(self) -> str:
        """The complete configuration as YAML text, with all defaults."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)

    @property
    def unused(self) -> list[str]:
        """Keys without effect, because the section that they belong to is absent."""
        return []
