"""What a configuration of kinetics refuses, in words."""

from pathlib import Path

import pytest

from membrane.config import ConfigError, load

LIFE = Path(__file__).parents[2] / "configs/life.yaml"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["supply.recycling=false"], "supply.recycling: false leaves an endosome of kinetics without any domain"),
        (["supply.fusion_rate_per_s=0"], "give a supply.fusion_rate_per_s above 0, or start: resting"),
        (["membrane.gaussian_modulus_contrast_kBT=-3"], "membrane.gaussian_modulus_contrast_kBT -3 must be 0"),
        (["duration_s=42949.6"], "give at most 42949.2 s, or a longer tick"),
        (["numerics.max_step_ms=0.01"], "numerics.max_step_ms 0.01 is below numerics.tick_us 20"),
        (["membrane.tension_uN_per_m=7000"], "must lie below endosome.lysis_tension_mN_per_m 7"),
    ],
)
def test_refused(changes, said):
    """The key, what was given, and the remedy."""
    with pytest.raises(ConfigError) as refused:
        load(LIFE, changes)
    assert said in " ".join(str(refused.value).split())


def test_admitted():
    """The longest duration of whole ticks; nothing arrives; a resting start."""
    assert load(LIFE, ["duration_s=42949"]).duration_s == 42949
    assert load(LIFE, ["start=resting", "supply.fusion_rate_per_s=0"]).supply.fusion_rate_per_s == 0
