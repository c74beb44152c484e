"""All endosomes of one configuration, advanced side by side, with checkpoints and frames on their way."""

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait

import jax
import numpy as np
from tqdm import tqdm

from membrane.archive import Archive, ArchiveError
from membrane.batch import Batch, Place
from membrane.config import Config
from membrane.event_table import EVENT_DTYPE, is_ilv
from membrane.geometries import REPLICAS
from membrane.sheet_replica import SheetReplica
from membrane.simulate import NumericalFailure
from membrane.stop import Stop

log = logging.getLogger("membrane")

BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.4g}/{total:.4g} ms [{elapsed}<{remaining}{postfix}]"


class Run:
    """All endosomes of one configuration, advanced side by side from checkpoint to checkpoint."""

    def __init__(
        self, config: Config, physics, archive: Archive, stop: Stop, threads: int, batch: Batch | None, quiet: bool
    ):
        self.config, self.physics, self.archive, self.stop = config, physics, archive, stop
        self.threads, self.batch = threads, batch
        replica = REPLICAS[config.kind][1]
        self.started = time.monotonic()
        saved = archive.latest()
        states, scalars, events, _ = saved if saved else ([None] * config.endosomes, {}, np.zeros(0, EVENT_DTYPE), {})
        self.wall_before = scalars.get("wall_time_s", 0.0)
        try:
            if len(states) != config.endosomes:
                raise ValueError(f"{len(states)} endosomes, not {config.endosomes}")
            self.endosomes = [replica(physics, config.seed, i, s, events) for i, s in enumerate(states)]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            if saved is None:
                raise
            words = f"{type(error).__name__}: {error}"
            raise ArchiveError(f"the checkpoint of {archive.path} does not fit its configuration ({words})") from error
        self.failure = ""
        if saved is None:
            self.save(frame=True)
        else:
            # There are later ones where the newest checkpoint is damaged, or a kill came between frame and checkpoint.
            archive.drop_frames_after(min(e.tick for e in self.endosomes) * physics.tick_s)
        self.total_ms = physics.duration_ticks * physics.tick_s * 1e3
        shown = dict(unit="ms", disable=True if quiet else None, desc=config.name, bar_format=BAR)
        self.bar = tqdm(total=round(config.endosomes * self.total_ms, 3), initial=self._done_ms(), **shown)

    @property
    def wall_time(self) -> float:
        """Seconds spent so far, earlier parts of a resumed run included."""
        return self.wall_before + time.monotonic() - self.started

    def to_end(self) -> str:
        """Advance to the end; returns the status of the archive. A failing endosome ends the run with what all have."""
        physics = self.physics
        # Several devices wait for one another, so that endosomes that share them must take turns.
        alone = jax.default_backend() != "cpu" or physics.grid.devices > 1
        workers = 1 if alone else min(len(self.endosomes), self.threads)
        with ThreadPoolExecutor(self.batch.places if self.batch else workers) as pool:
            while (begun := min(e.tick for e in self.endosomes)) < physics.duration_ticks:
                end = min((begun // physics.checkpoint_ticks + 1) * physics.checkpoint_ticks, physics.duration_ticks)
                futures = self._advance(pool, end)
                failures = [error for f in futures if (error := f.exception()) is not None]
                for error in failures:
                    if not isinstance(error, NumericalFailure):
                        raise error
                whole = not failures and all(e.tick == end for e in self.endosomes)
                self.save(frame=whole and (end % physics.frame_ticks == 0 or end == physics.duration_ticks))
                self._report()
                if failures:
                    self.failure = str(failures[0])
                    log.error("numerical failure: %s", self.failure)
                    return "failed"
                if self.stop() and min(e.tick for e in self.endosomes) < physics.duration_ticks:
                    return "partial"
        return "complete"

    def _advance(self, pool: ThreadPoolExecutor, end: int) -> list[Future]:
        """All endosomes to tick ``end``, batch by batch where there are batches."""
        if self.batch is None:
            return [pool.submit(e.advance, end, self.stop) for e in self.endosomes]
        futures = []
        for first in range(0, len(self.endosomes), self.batch.places):
            members = self.endosomes[first : first + self.batch.places]
            places = self.batch.take(len(members))
            group = [pool.submit(_in_place, p, e, end, self.stop) for p, e in zip(places, members, strict=True)]
            wait(group)
            futures += group
        return futures

    def save(self, *, frame: bool) -> None:
        """A checkpoint generation, and a frame where one is due (then all endosomes stand at the same tick)."""
        if frame:
            tick = self.endosomes[0].tick
            self.archive.add_frame(self._frame_index(tick), tick * self.physics.tick_s, self._frame())
        rows = min(len(e.rows) for e in self.endosomes)
        table = np.stack([np.array(e.rows[:rows]) for e in self.endosomes], axis=1)
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

    def _frame_index(self, tick: int) -> int:
        return -(-tick // self.physics.frame_ticks)

    def _frame(self) -> dict[str, np.ndarray]:
        fields = [e.fields() for e in self.endosomes]
        return {name: np.stack([f[name] for f in fields]) for name in fields[0]}

    def _done_ms(self) -> float:
        return round(sum(e.tick for e in self.endosomes) * self.physics.tick_s * 1e3, 3)

    def _report(self) -> None:
        ilvs = sum(bool(is_ilv(row)) for e in self.endosomes for row in e.events)
        self.bar.set_postfix_str(f"{ilvs} ILVs")
        self.bar.update(self._done_ms() - self.bar.n)
        if self.bar.disable:
            now = min(e.tick for e in self.endosomes) * self.physics.tick_s * 1e3
            log.info("t = %.4g of %.4g ms, %d ILVs, checkpoint saved, %.0f s", now, self.total_ms, ilvs, self.wall_time)


def _in_place(place: Place, endosome: SheetReplica, end: int, stop: Stop) -> None:
    """One endosome, in its place of a batch."""
    with place as chunk:
        endosome.advance(end, stop, chunk)
