"""Asked to stop: signals and time limits, acted on where it does no harm."""

import signal
import threading
import time


class Stop:
    """Whether to stop at the next boundary: a signal came or the wall time (s) is spent.

    While entered, a signal at first ends what is going on at once: with KeyboardInterrupt, or, where the process is
    ``expendable``, with the process itself, which a compiler that runs for a minute cannot delay. From `begin` on it
    is only noted. What a process was told to ignore it goes on ignoring (nohup: SIGHUP). Outside the main thread,
    where Python hears no signals, only the wall time counts.
    """

    signals = tuple(
        getattr(signal, name)
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
        # Windows has only some of them.
        if hasattr(signal, name)
    )

    def __init__(self, max_wall_time: float | None = None, *, expendable: bool = False):
        self.deadline = time.monotonic() + max_wall_time if max_wall_time is not None else float("inf")
        self.received: signal.Signals | None = None
        self._expendable, self._begun = expendable, False
        self._before: dict = {}

    def __call__(self) -> bool:
        return self.received is not None or time.monotonic() > self.deadline

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in self.signals:
                # None: a handler that Python did not install.
                if (handler := signal.getsignal(number)) is not None and not _nohup(number, handler):
                    self._before[number] = handler
                    signal.signal(number, signal.SIG_DFL if self._expendable else self._receive)
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def begin(self) -> None:
        """From now on signals are only noted. Raises KeyboardInterrupt where one came before."""
        self._begun = True
        for number in self._before:
            signal.signal(number, self._receive)
        # Python passes over what is raised while it collects garbage.
        if self.received is not None:
            raise KeyboardInterrupt

    def _receive(self, number, _frame):
        self.received = signal.Signals(number)
        if not self._begun:
            raise KeyboardInterrupt

    @property
    def reason(self) -> str:
        """Why, in words."""
        return f"signal {self.received.name}" if self.received else "--max-wall-time reached"


def _nohup(number, handler) -> bool:
    return number == getattr(signal, "SIGHUP", None) and handler == signal.SIG_IGN
