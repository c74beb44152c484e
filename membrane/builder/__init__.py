"""From a configuration of any kind to the physics of its run: the border between YAML and arrays."""

import jax

from membrane.builder.kinetics import kinetics_physics
from membrane.builder.sheet import sheet_physics
from membrane.builder.vesicle import vesicle_physics
from membrane.config import Config
from membrane.replica import Physics

BUILDERS = {"sheet": sheet_physics, "vesicle": vesicle_physics, "kinetics": kinetics_physics}
"""By the key ``kind`` of a configuration."""


def build(config: Config) -> Physics:
    """The physics of a validated configuration; it makes the endosomes of the run.

    Where ``numerics.precision`` is float64 the 64-bit mode of jax is switched on, for the whole process, because jax
    has no double precision otherwise. Raises ValueError where the numbers, valid one by one, fit no physics together.

    >>> from membrane.config import load
    >>> physics = build(load("configs/ceramide.yaml", ["geometry.box_nm=[128, 96]", "budding.law=cap"]))
    >>> endosome = physics.endosome(0)
    >>> endosome.tick
    0
    """
    if config.numerics.precision == "float64":
        jax.config.update("jax_enable_x64", True)
    return BUILDERS[config.kind](config)
