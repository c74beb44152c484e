"""The engine of a run: it advances all endosomes side by side, and writes checkpoints and frames on the way."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import jax
import numpy as np

from membrane.archive import Archive, ArchiveError
from membrane.config import Config
from membrane.outcome.table import EVENT_DTYPE, is_ilv
from membrane.program.batch import Batch, Place
from membrane.program.progress import Progress
from membrane.program.stop import Stop
from membrane.replica import NumericalFailure

log = logging.getLogger("membrane")

LOOK_S = 0.25
"""Seconds after which the progress is shown anew while the endosomes are advanced."""


class Engine:
    """All endosomes of one configuration, advanced side by side from checkpoint to checkpoint.

    ``config``, ``physics``: the configuration, and what the builder has made of it.
    ``archive``: open; a checkpoint in it is where the endosomes go on.
    ``stop``: entered; when it says so, the engine stops at the next boundary.
    ``threads``: endosomes advanced at the same time on a CPU.
    ``batch``: the batch that advances them on accelerators; None on a CPU.
    ``quiet``: no progress bar.

    Raises ArchiveError where the checkpoint does not fit the configuration.
    """

    def __init__(
        self, config: Config, physics, archive: Archive, stop: Stop, *, threads: int, batch: Batch | None, quiet: bool
    ):
        self.config, self.physics, self.archive, self.stop = config, physics, archive, stop
        self.schedule = physics.schedule
        self.threads, self.batch = threads, batch
        self.started = time.monotonic()
        saved = archive.latest()
        states, scalars, events, _ = saved if saved else ([None] * config.endosomes, {}, np.zeros(0, EVENT_DTYPE), {})
        self.wall_before = scalars.get("wall_time_s", 0.0)
        try:
            if len(states) != config.endosomes:
                raise ValueError(f"{len(states)} endosomes, not {config.endosomes}")
            self.endosomes = [physics.endosome(i, s, events) for i, s in enumerate(states)]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            if saved is None:
                raise
            words = f"{type(error).__name__}: {error}"
            raise ArchiveError(f"the checkpoint of {archive.path} does not fit its configuration ({words})") from error
        self.failure, self._failing, self.ended = "", False, False
        duration_s = self.schedule.duration_ticks * self.schedule.tick_s
        self.progress = Progress(config.name, duration_s=duration_s, begun_s=self._now_s(), quiet=quiet)
        if saved is None:
            self.save()
        else:
            # Frames may be newer than the checkpoint: a newer one was damaged, or the process was killed before it
            # was written.
            archive.drop_frames_after(self.tick * self.schedule.tick_s)

    @property
    def tick(self) -> int:
        """The tick that all endosomes have reached."""
        return min(e.tick for e in self.endosomes)

    @property
    def simulated_s(self) -> float:
        """The time that the archive covers, s."""
        return (self.schedule.duration_ticks if self.ended else self.tick) * self.schedule.tick_s

    @property
    def wall_time_s(self) -> float:
        """Seconds spent so far, earlier parts of a resumed run included."""
        return self.wall_before + time.monotonic() - self.started

    def to_end(self) -> str:
        """Advance to the end; returns the status of the archive: complete, failed or partial.

        All endosomes wait for each other at checkpoints and where frames are due. When one fails numerically, the
        others stop at their next chunk, and the run ends with what all of them have.

        The end may lie between two boundaries of the physics. The last checkpoint is that of the boundary before it, so
        that a longer run can go on from there.
        """
        physics, schedule = self.physics, self.schedule
        last = schedule.last_boundary
        # A step on several devices waits for all of them: endosomes that share the devices must take turns.
        alone = jax.default_backend() != "cpu" or physics.grid.devices > 1
        workers = 1 if alone else min(len(self.endosomes), self.threads)
        with ThreadPoolExecutor(self.batch.places if self.batch else workers) as pool:
            while (begun := self.tick) < last:
                end = min(self._next(begun), last)
                failed = self._failed(self._of_all(pool, lambda e, *how, end=end: e.advance(end, *how)))
                due = failed or self.tick < end or end % schedule.checkpoint_ticks == 0
                self.save() if due else self._keep_frames()
                if failed:
                    return "failed"
                if self.stop() and self.tick < last:
                    if not due:
                        self.save()
                    return "partial"
            futures = self._of_all(pool, lambda e, *how: e.ending(schedule.duration_ticks, *how))
        failed = self._failed(futures)
        endings = [] if failed else [future.result() for future in futures]
        if failed or None in endings:
            self.save()
            return "failed" if failed else "partial"
        for endosome, (_, frames) in zip(self.endosomes, endings, strict=True):
            endosome.frames.update(frames)
        self.ended = True
        self.save([rows for rows, _ in endings])
        return "complete"

    def _next(self, tick: int) -> int:
        """The next tick after ``tick`` at which a checkpoint is due, or frames are: the boundary at or after them."""
        schedule, following = self.schedule, lambda interval: (tick // interval + 1) * interval
        frame, boundary = following(schedule.frame_ticks), schedule.boundary_ticks
        return min(following(schedule.checkpoint_ticks), -(-frame // boundary) * boundary)

    def _of_all(self, pool: ThreadPoolExecutor, act: Callable) -> list[Future]:
        """What ``act`` (endosome, stop[, chunk]) gives of each endosome; shows the progress while it waits.

        Without a batch all endosomes are given to the pool at once, with one they are taken batch by batch.
        """
        if self.batch is None:
            futures = [pool.submit(self._of_one, act, e) for e in self.endosomes]
            self._wait(futures)
            return futures
        futures = []
        for first in range(0, len(self.endosomes), self.batch.places):
            members = self.endosomes[first : first + self.batch.places]
            places = self.batch.take(len(members))
            group = [pool.submit(self._in_place, act, p, e) for p, e in zip(places, members, strict=True)]
            self._wait(group)
            futures += group
        return futures

    def _of_one(self, act: Callable, endosome, *chunk):
        """What ``act`` gives of one endosome. A numerical failure stops the others as well."""
        try:
            return act(endosome, lambda: self._failing or self.stop(), *chunk)
        except NumericalFailure:
            self._failing = True
            raise

    def _in_place(self, act: Callable, place: Place, endosome):
        """As `_of_one`, with the chunk of a place in the batch."""
        with place as chunk:
            return self._of_one(act, endosome, chunk)

    def _wait(self, futures: list[Future]) -> None:
        while wait(futures, timeout=LOOK_S).not_done:
            self.progress.show(self._now_s(), self._ilvs())

    def _failed(self, futures: list[Future]) -> bool:
        """Whether an endosome has failed numerically; the reason is kept. Any other error is raised."""
        errors = [error for future in futures if (error := future.exception()) is not None]
        for error in errors:
            if not isinstance(error, NumericalFailure):
                raise error
        if errors:
            self.failure = str(errors[0])
            log.error("numerical failure: %s", self.failure)
        return bool(errors)

    def save(self, ending: list[list] | None = None) -> None:
        """Writes a checkpoint. ``ending``: for each endosome, rows of the series after those that it holds itself."""
        self._keep_frames()
        ending = ending or [[] for _ in self.endosomes]
        several = [[*e.rows, *further] for e, further in zip(self.endosomes, ending, strict=True)]
        rows = min(map(len, several))
        table = np.stack([np.array(each[:rows]) for each in several], axis=1)
        names = self.endosomes[0].columns
        series = {name: table[:, :, i] for i, name in enumerate(names) if name != "time_s"}
        events = [row for e in self.endosomes for row in e.events]
        events = np.array(events, EVENT_DTYPE)
        events = events[np.lexsort((events["endosome"], events["time_s"]))]
        events["event_id"] = np.arange(len(events))
        self.archive.checkpoint(
            [e.arrays() for e in self.endosomes],
            {"wall_time_s": self.wall_time_s, "grid_spacing_nm": list(self.physics.grid.spacing)},
            events,
            {"time_s": table[:, 0, 0], **series},
        )
        self.progress.saved(self._now_s(), self._ilvs())

    def _keep_frames(self) -> None:
        """Writes the frames that all endosomes have reached, and forgets them."""
        for tick in sorted(set.intersection(*(set(e.frames) for e in self.endosomes))):
            each = [e.frames.pop(tick) for e in self.endosomes]
            fields = {name: np.stack([fields[name] for fields in each]) for name in each[0]}
            self.archive.add_frame(-(-tick // self.schedule.frame_ticks), tick * self.schedule.tick_s, fields)

    def _now_s(self) -> float:
        """Simulated time in s that the endosomes have reached, on average."""
        reached = [min(e.reached, self.schedule.duration_ticks) for e in self.endosomes]
        return float(np.mean(reached)) * self.schedule.tick_s

    def _ilvs(self) -> int:
        return sum(bool(is_ilv(row)) for e in self.endosomes for row in list(e.events))
