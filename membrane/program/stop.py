"""When a command is to stop: signals and time limits, acted on where it does no harm."""

import signal
import threading
import time


def let_interrupt_end_process() -> None:
    """From now on Ctrl-C ends this process at once, without a word, as it ends most programs.

    Python would raise KeyboardInterrupt instead. While a library such as jax is imported, that exception appears as a
    traceback, or is lost. A process that ignores Ctrl-C goes on ignoring it.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def let_interrupt_raise() -> None:
    """Ctrl-C raises KeyboardInterrupt again, so that temporary files are removed: undoes the function above."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Stop:
    """Whether to stop at the next boundary: a signal came, or the time is up.

    Used as ``with Stop() as stop:``. From :meth:`begin` on a signal is only noted, and ``stop()`` then tells.
    Before that a signal ends at once what is going on: it raises KeyboardInterrupt. In a process for which
    :func:`let_interrupt_end_process` was called, it ends the process, even while a compiler runs for a minute. At the
    end of ``with`` the earlier handlers come back.

    A process that was started with SIGHUP ignored (nohup) goes on ignoring it. Outside the main thread Python hears no
    signals: there only the time counts.

    ``max_wall_time``: s, from now on; None for no limit.
    """

    signals = tuple(
        getattr(signal, name)
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
        # Windows has only some of them.
        if hasattr(signal, name)
    )

    def __init__(self, max_wall_time: float | None = None):
        self.deadline = time.monotonic() + max_wall_time if max_wall_time is not None else float("inf")
        self.received: signal.Signals | None = None
        self._begun = False
        self._before: dict = {}

    def __call__(self) -> bool:
        return self.received is not None or time.monotonic() > self.deadline

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            # No Python function hears Ctrl-C: the process is that of a command.
            ends_process = not callable(signal.getsignal(signal.SIGINT))
            for number in self.signals:
                # None: a handler that Python did not install.
                if (handler := signal.getsignal(number)) is not None and not _nohup(number, handler):
                    self._before[number] = handler
                    signal.signal(number, signal.SIG_DFL if ends_process else self._receive)
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def begin(self) -> None:
        """From now on signals are only noted. Raises KeyboardInterrupt where one came before."""
        self._begun = True
        for number in self._before:
            signal.signal(number, self._receive)
        # Python ignores an exception that is raised while it collects garbage.
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
