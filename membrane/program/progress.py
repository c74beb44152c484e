"""How far a run is: a bar on a terminal and in a notebook, a line now and then elsewhere."""

import logging
import sys
import time
import warnings

with warnings.catch_warnings():
    # A notebook without ipywidgets gets the bar of a terminal; that is no fault of the reader.
    warnings.simplefilter("ignore")
    from tqdm.auto import tqdm

log = logging.getLogger("membrane")

BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.4g}/{total:.4g} ms [{elapsed}<{remaining}{postfix}]"

QUIET_S = 30.0
"""Without a bar a line is due after so many seconds at the latest."""


def hidden(quiet: bool) -> bool | None:
    """What tqdm calls ``disable``. None: where the error stream is no terminal; that of a notebook is none, but shows
    bars."""
    return True if quiet else False if "ipykernel" in sys.modules else None


class Progress:
    """Of a run that is to last ``duration_s``, at ``begun_s`` now: one time scale, that of an endosome, in ms."""

    def __init__(self, name: str, duration_s: float, begun_s: float, quiet: bool):
        self.total_ms, self.begun_s, self.started = duration_s * 1e3, begun_s, time.monotonic()
        self.told = self.started
        shown = dict(unit="ms", disable=hidden(quiet), desc=name, bar_format=BAR)
        self.bar = tqdm(total=round(self.total_ms, 3), initial=round(begun_s * 1e3, 3), **shown)
        self.bar.set_postfix_str("compiling ...")
        if self.bar.disable:
            log.info("%s: compiling ...", name)

    def show(self, now_s: float, ilvs: int) -> None:
        """Brings the bar to ``now_s``, or tells in a line where nothing has been said for long."""
        if now_s > self.begun_s:
            self.bar.set_postfix_str(f"{ilvs} ILV{'' if ilvs == 1 else 's'}", refresh=False)
        self.bar.update(round(now_s * 1e3, 3) - self.bar.n)
        if self.bar.disable and time.monotonic() - self.told > QUIET_S:
            self._tell(now_s, ilvs, "")

    def saved(self, now_s: float, ilvs: int) -> None:
        """A checkpoint was written."""
        self.show(now_s, ilvs)
        if self.bar.disable:
            self._tell(now_s, ilvs, ", checkpoint saved")

    def close(self) -> None:
        """Leaves the bar as it stands."""
        self.bar.close()

    def _tell(self, now_s, ilvs, what) -> None:
        self.told = time.monotonic()
        spent = self.told - self.started
        number = f"{ilvs} ILV{'' if ilvs == 1 else 's'}"
        log.info("t = %.4g of %.4g ms, %s%s, %.0f s", now_s * 1e3, self.total_ms, number, what, spent)
