"""All endosomes of one configuration, advanced side by side, with checkpoints and frames on their way."""

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
"""Seconds between two looks at how far the endosomes are."""


class Run:
    """All endosomes of one configuration, advanced side by side from checkpoint to checkpoint."""

    def __init__(
        self, config: Config, physics, archive: Archive, stop: Stop, threads: int, batch: Batch | None, quiet: bool
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
        self.progress = Progress(config.name, self.schedule.duration_ticks * self.schedule.tick_s, self._now_s(), quiet)
        if saved is None:
            self.save()
        else:
            # There are later ones where the newest checkpoint is damaged, or a kill came between frame and checkpoint.
            archive.drop_frames_after(self.tick * self.schedule.tick_s)

    @property
    def tick(self) -> int:
        """Up to which all endosomes have come."""
        return min(e.tick for e in self.endosomes)

    @property
    def simulated_s(self) -> float:
        """The time that the archive covers, s."""
        return (self.schedule.duration_ticks if self.ended else self.tick) * self.schedule.tick_s

    @property
    def wall_time(self) -> float:
        """Seconds spent so far, earlier parts of a resumed run included."""
        return self.wall_before + time.monotonic() - self.started

    def to_end(self) -> str:
        """Advance to the end; returns the status of the archive.

        Where one endosome fails the others stop at their next chunk, and the run ends with what all have: there is no
        use in waiting until each of them has failed as well.

        Endosomes stand together at checkpoints and wherever frames are due to be written. The end may lie between two
        boundaries of the physics: the checkpoint stays at the last of them, from which a longer run goes on.
        """
        last = self.schedule.last_boundary
        # Several devices wait for one another, so that endosomes that share them must take turns.
        alone = jax.default_backend() != "cpu" or self.physics.grid.devices > 1
        workers = 1 if alone else min(len(self.endosomes), self.threads)
        with ThreadPoolExecutor(self.batch.places if self.batch else workers) as pool:
            while (begun := self.tick) < last:
                end = min(self._next(begun), last)
                failed = self._failed(self._all(pool, lambda e, *how, end=end: e.advance(end, *how)))
                due = failed or self.tick < end or end % self.schedule.checkpoint_ticks == 0
                self.save() if due else self._keep_frames()
                if failed:
                    return "failed"
                if self.stop() and self.tick < last:
                    if not due:
                        self.save()
                    return "partial"
            futures = self._all(pool, lambda e, *how: e.ending(self.schedule.duration_ticks, *how))
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
        """The next tick at which a checkpoint is due, or frames are written: the boundary at or after their own."""
        schedule, following = self.schedule, lambda interval: (tick // interval + 1) * interval
        frame, boundary = following(schedule.frame_ticks), schedule.boundary_ticks
        return min(following(schedule.checkpoint_ticks), -(-frame // boundary) * boundary)

    def _all(self, pool: ThreadPoolExecutor, act: Callable) -> list[Future]:
        """``act`` (endosome, stop, chunk) of all endosomes, batch by batch where there are batches; shows how far they
        are while it waits."""
        if self.batch is None:
            futures = [pool.submit(self._one, act, e) for e in self.endosomes]
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

    def _one(self, act: Callable, endosome, *chunk):
        try:
            return act(endosome, lambda: self._failing or self.stop(), *chunk)
        except NumericalFailure:
            self._failing = True
            raise

    def _in_place(self, act: Callable, place: Place, endosome):
        with place as chunk:
            return self._one(act, endosome, chunk)

    def _wait(self, futures: list[Future]) -> None:
        while wait(futures, timeout=LOOK_S).not_done:
            self.progress.show(self._now_s(), self._ilvs())

    def _failed(self, futures: list[Future]) -> bool:
        """Whether an endosome has failed numerically, which is noted; other errors are raised."""
        errors = [error for future in futures if (error := future.exception()) is not None]
        for error in errors:
            if not isinstance(error, NumericalFailure):
                raise error
        if errors:
            self.failure = str(errors[0])
            log.error("numerical failure: %s", self.failure)
        return bool(errors)

    def save(self, ending: list[list] | None = None) -> None:
        """A checkpoint generation; ``ending``: rows of each endosome beyond its own."""
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
            {"wall_time_s": self.wall_time, "grid_spacing_nm": list(self.physics.grid.spacing)},
            events,
            {"time_s": table[:, 0, 0], **series},
        )
        self.progress.saved(self._now_s(), self._ilvs())

    def _keep_frames(self) -> None:
        """Writes the frames that all endosomes have reached."""
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
