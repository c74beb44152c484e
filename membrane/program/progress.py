"""The progress of a run: a bar on a terminal and in a notebook, a line from time to time elsewhere."""

import logging
import sys
import time
import warnings

with warnings.catch_warnings():
    # tqdm warns where a notebook lacks ipywidgets. The bar of a terminal serves as well.
    warnings.simplefilter("ignore")
    from tqdm.auto import tqdm

log = logging.getLogger("membrane")

BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.4g}/{total:.4g} ms [{elapsed}<{remaining}{postfix}]"

LINE_EVERY_S = 30.0
"""Where there is no bar, a line is logged after this many seconds at the latest."""


def hidden(quiet: bool) -> bool | None:
    """The argument ``disable`` of tqdm. None hides the bar where the error stream is no terminal. A notebook has none
    either, but it shows bars."""
    return True if quiet else False if "ipykernel" in sys.modules else None


class Progress:
    """The progress of a run in simulated time, averaged over its endosomes.

    ``name``: of the run.
    ``duration_s``: simulated time at the end, s.
    ``begun_s``: simulated time at which this part of the run begins, s.
    ``quiet``: no bar.
    """

    def __init__(self, name: str, *, duration_s: float, begun_s: float, quiet: bool):
        self.total_ms, self.begun_s, self.started = duration_s * 1e3, begun_s, time.monotonic()
        self.last_line = self.started
        shown = dict(unit="ms", disable=hidden(quiet), desc=name, bar_format=BAR)
        self.bar = tqdm(total=round(self.total_ms, 3), initial=round(begun_s * 1e3, 3), **shown)
        self.bar.set_postfix_str("compiling ...")
        if self.bar.disable:
            log.info("%s: compiling ...", name)

    def show(self, now_s: float, ilvs: int) -> None:
        """Moves the bar to ``now_s``. Without a bar, logs a line if the last one is old."""
        if now_s > self.begun_s:
            self.bar.set_postfix_str(f"{ilvs} ILV{'' if ilvs == 1 else 's'}", refresh=False)
        self.bar.update(round(now_s * 1e3, 3) - self.bar.n)
        if self.bar.disable and time.monotonic() - self.last_line > LINE_EVERY_S:
            self._log(now_s, ilvs, "")

    def saved(self, now_s: float, ilvs: int) -> None:
        """A checkpoint was written."""
        self.show(now_s, ilvs)
        if self.bar.disable:
            self._log(now_s, ilvs, ", checkpoint saved")

    def close(self) -> None:
        """Leaves the bar as it stands."""
        self.bar.close()

    def _log(self, now_s, ilvs, what) -> None:
        self.last_line = time.monotonic()
        spent = self.last_line - self.started
        number = f"{ilvs} ILV{'' if ilvs == 1 else 's'}"
        log.info("t = %.4g of %.4g ms, %s%s, %.0f s", now_s * 1e3, self.total_ms, number, what, spent)
