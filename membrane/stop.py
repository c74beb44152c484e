"""Asked to stop: signals and time limits, acted on where it does no harm."""

import signal
import time


class Stop:
    """Whether to stop at the next boundary: a signal came or the wall time (s) is spent. While entered, signals only
    set this."""

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)

    def __init__(self, max_wall_time: float | None):
        self.deadline = time.monotonic() + max_wall_time if max_wall_time is not None else float("inf")
        self.received: signal.Signals | None = None

    def __call__(self) -> bool:
        return self.received is not None or time.monotonic() > self.deadline

    def __enter__(self):
        self.before = {s: signal.signal(s, self._receive) for s in self.signals}
        return self

    def __exit__(self, *_):
        for s, handler in self.before.items():
            signal.signal(s, handler)

    def _receive(self, number, _frame):
        self.received = signal.Signals(number)

    @property
    def reason(self) -> str:
        """Why, in words."""
        return f"signal {self.received.name}" if self.received else "--max-wall-time reached"
