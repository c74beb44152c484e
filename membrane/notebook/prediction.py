"""What the bud law predicts of the domains of a configuration, without a run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from membrane.bud.situation import DIAMETERS_NM
from membrane.bud.words import report, rows
from membrane.config import ConfigError
from membrane.extras import needed
from membrane.notebook.config import Source, load
from membrane.program.console import quiet_xla

if TYPE_CHECKING:
    import pandas


class Prediction:
    """What the bud law answers for domains of several sizes. It prints as the command ``membrane predict`` does.

    ``table``: a DataFrame, one row a diameter.
    ``thresholds``: from which diameter (nm) on domains bud.
    """

    def __init__(self, answer: Any):
        self._answer = answer

    @property
    def table(self) -> "pandas.DataFrame":
        """One row for each diameter of a vesicle: barrier, waiting time, neck, verdict in words.

        NaN where there is no number, and for a time without end. Raises ImportError where pandas is not installed.
        """
        with needed("analysis"):
            import pandas
        return pandas.DataFrame(rows(self._answer))

    @property
    def thresholds(self) -> dict[str, float]:
        """The smallest diameters (nm) that bud within the duration of the run, that have no barrier, and whose necks
        close by themselves; NaN where none does."""
        answer = self._answer
        return {
            "buds_within_duration_from_nm": answer.within(answer.duration_s),
            "no_barrier_from_nm": answer.without_barrier,
            "neck_closes_from_nm": answer.closing,
        }

    def __repr__(self) -> str:
        return report(self._answer)


def predict(
    config: Source,
    *,
    diameters_nm: Sequence[int | float] | np.ndarray = DIAMETERS_NM,
    set: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Prediction:
    """Ask the bud law which domains of a configuration bud, over which barrier, and how soon. Nothing is simulated.

    ``config``: the path of a YAML file, a shipped name or a configuration, of kind ``sheet``.
    ``diameters_nm``: of the vesicles that the domains would make, in nm, rising; by default 20 to 160.
    ``set``, ``changes``: other values than those of the configuration, see ``membrane.Config.changed``.

    Raises ConfigError where the configuration is not valid or not of kind ``sheet``, and ValueError where the diameters
    do not rise or are too large for the endosome, or where the mixture does not separate into two phases.

    >>> import membrane as mb
    >>> prediction = mb.predict("ceramide", diameters_nm=[40, 60, 80], tension_uN_per_m=10, law="cap")
    >>> prediction.table[["diameter_nm", "neck_closes"]]
       diameter_nm  neck_closes
    0         40.0        False
    1         60.0        False
    2         80.0         True
    >>> prediction.table.verdict[0]
    'no bud state (barrier 241 kT)'
    >>> print(f"{prediction.thresholds['no_barrier_from_nm']:.0f} nm")
    60 nm
    """
    checked = load(config, set=set, **changes)
    if checked.kind != "sheet":
        raise ConfigError(
            f"{checked.name}: predict asks the bud law of a sheet, but the kind is {checked.kind}; give a "
            "configuration of kind sheet"
        )
    quiet_xla()
    # Seconds, which an import of this file does not wait for.
    from membrane.builder.prediction import predict as ask
    from membrane.notebook.settings import jax_set_up

    with jax_set_up(cache_from_s=1.0):
        return Prediction(ask(checked, diameters_nm))
