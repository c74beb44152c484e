"""python -m membrane.run CONFIG.yaml: from a composition to an archive of ILVs.

Exit codes: 0 complete, 2 bad input, 3 numerical or disk failure (last good state kept), 75 interrupted with a
checkpoint saved.
"""

import os

# Endosomes run side by side, one thread each: a step that spreads over all cores would only slow its neighbours.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
# A warm compilation cache makes XLA print two long lines about CPU features that are of no concern here.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import logging
import resource
import sys
import time
import warnings
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import jax
import numpy as np
import platformdirs
from tqdm import tqdm

from membrane import plot, plot_vesicle
from membrane.archive import Archive, ArchiveError, RunRecord, clear, read
from membrane.batch import Batch, Place
from membrane.build import build
from membrane.build_vesicle import build as build_vesicle
from membrane.config import FREE_TO_CHANGE, Config, ConfigError, changes, load, parse
from membrane.cores import cores
from membrane.event_table import EVENT_DTYPE, KINDS, is_ilv
from membrane.sheet_replica import SheetReplica
from membrane.simulate import NumericalFailure
from membrane.sizes import median_interval
from membrane.stop import Stop
from membrane.vesicle_replica import VesicleReplica

COMPLETE, BAD_INPUT, FAILED, INTERRUPTED = 0, 2, 3, 75

log = logging.getLogger("membrane")

REPLICAS = {"sheet": (build, SheetReplica), "vesicle": (build_vesicle, VesicleReplica)}
"""By the key ``kind``: from configuration to physics, and one endosome of it. A replica has ``tick``, ``advance``,
``arrays`` for a checkpoint, ``fields`` for a frame, ``events``, and ``rows`` of the series with their ``columns``."""


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
        self.endosomes = [replica(physics, config.seed, i, s, events) for i, s in enumerate(states)]
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


BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.4g}/{total:.4g} ms [{elapsed}<{remaining}{postfix}]"


def main(argv: list[str] | None = None) -> int:
    """Run one configuration; returns the exit code."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(
        level=logging.WARNING if arguments.quiet else logging.INFO, format="%(message)s", stream=sys.stderr, force=True
    )
    logging.getLogger("jax").setLevel(logging.WARNING)
    with Stop(arguments.max_wall_time) as stop:
        try:
            if arguments.threads < 1:
                raise ConfigError(f"--threads {arguments.threads}: give at least 1")
            config = load(arguments.config, arguments.set)
            output = arguments.output or Path("runs") / f"{config.name}.h5"
            _set_up_jax(config)
            physics = REPLICAS[config.kind][0](config)
            if arguments.check:
                return _check(config, physics, arguments.trial)
            batch = _batch(config, physics, arguments.batch)
            archive = _open(config, output, arguments)
            if archive is None:
                log.info("%s is complete already; give a longer duration_s to extend it", output)
                return COMPLETE
        except (ConfigError, ArchiveError, ValueError, OSError) as error:
            print(f"membrane.run: {error}", file=sys.stderr)
            return BAD_INPUT
        try:
            with archive:
                status = _advance(config, physics, archive, stop, batch, arguments)
        except ArchiveError as error:
            print(f"membrane.run: {error}", file=sys.stderr)
            return FAILED
        # Still deaf to signals: what is complete stays so while it is summed up.
        if status == "partial":
            log.warning("%s: checkpoint saved in %s.partial; go on with --resume", stop.reason, output)
            return INTERRUPTED
        _summary(output, picture=not arguments.no_picture)
        return COMPLETE if status == "complete" else FAILED


def _advance(config: Config, physics, archive: Archive, stop: Stop, batch: Batch | None, arguments) -> str:
    """To the end, if nothing stops it; the archive is then whole. Returns its status."""
    run = Run(config, physics, archive, stop, arguments.threads, batch, arguments.quiet)
    status = run.to_end()
    run.bar.close()
    if status != "partial":
        archive.finish(
            status=status,
            wall_time_s=float(run.wall_time),
            units=REPLICAS[config.kind][1].units,
            grid_spacing_nm=physics.grid.spacing,
            number_of_endosomes=config.endosomes,
            attributes={"config_yaml": config.to_yaml(), "failure": run.failure} | physics.attributes,
        )
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m membrane.run", description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path, help="YAML file, see configs/")
    parser.add_argument("--output", type=Path, help="archive to write (default: runs/<name>.h5)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override one dotted key")
    parser.add_argument(
        "--check", action="store_true", help="validate configuration, memory and compilation; do not run"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from the last checkpoint, or extend a finished run"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing archive or unfinished run")
    parser.add_argument("--max-wall-time", type=float, metavar="S", help="stop with a checkpoint after S seconds")
    parser.add_argument(
        "--trial",
        type=float,
        metavar="S",
        help="with --check: run one endosome for S seconds to estimate the time",
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", default=cores(), help="endosomes advanced side by side on a CPU"
    )
    parser.add_argument(
        "--batch",
        type=int,
        metavar="N",
        help="endosomes of a sheet that one program advances on all devices (default: 64 a GPU, none on a CPU)",
    )
    parser.add_argument("--no-picture", action="store_true", help="do not draw the summary beside the archive")
    parser.add_argument("--quiet", action="store_true", help="no progress, only warnings")
    return parser


def _batch(config: Config, physics, asked: int | None) -> Batch | None:
    """What ``--batch`` asks for: on GPUs the default, on a CPU threads are faster."""
    if asked is not None and (asked < 1 or config.kind != "sheet"):
        remedy = "give at least 1" if asked < 1 else "only sheets are batched, a vesicle fills a device; leave it out"
        raise ConfigError(f"--batch {asked}: {remedy}")
    if config.kind != "sheet" or (asked is None and jax.default_backend() == "cpu"):
        return None
    return Batch.on_all_devices(physics.stepper.chunk, config.endosomes, asked)


def _set_up_jax(config: Config) -> None:
    jax.config.update("jax_enable_x64", config.numerics.precision == "float64")
    jax.config.update("jax_default_matmul_precision", "highest")
    jax.config.update("jax_compilation_cache_dir", platformdirs.user_cache_dir("membrane"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def _open(config: Config, output: Path, arguments) -> Archive | None:
    """The archive to write to; None where a resumed run has nothing left to do."""
    clear(output)
    partial = output.with_name(output.name + ".partial")
    if not arguments.resume or not (output.exists() or partial.exists()):
        return Archive.create(
            output, config_yaml=config.to_yaml(), name=config.name, seed=config.seed, overwrite=arguments.overwrite
        )
    if not partial.exists():
        before = parse(read(output).attributes["config_yaml"])
        _refuse_changes(before, config, output)
        if config.duration_s <= before.duration_s and read(output).attributes["status"] == "complete":
            return None
    archive = Archive.resume(output)
    try:
        _refuse_changes(parse(archive.header["config_yaml"]), config, output)
    except ConfigError:
        archive.close()
        raise
    return archive


def _refuse_changes(before: Config, now: Config, output: Path) -> None:
    if lines := changes(before, now):
        free = " and ".join(FREE_TO_CHANGE)
        raise ConfigError(
            "\n".join([f"{output} was made with another configuration; only {free} may change with --resume:", *lines])
        )
    if now.duration_s < before.duration_s:
        raise ConfigError(f"duration_s {now.duration_s} is shorter than the {before.duration_s} of {output}")


def _check(config: Config, physics, trial_s: float | None) -> int:
    """Shapes, memory and what is known of the start, without a step; with one endosome on trial, time as well."""
    points = " x ".join(str(n) for n in physics.grid.shape[::-1])
    print(f"{config.name}: {config.endosomes} endosomes of {points} points, {physics.grid.dtype}")
    print(*REPLICAS[config.kind][1].check(physics), sep="\n")
    if trial_s is not None:
        try:
            print(_trial(config, physics, trial_s))
        except NumericalFailure as failure:
            print(f"membrane.run: {failure}", file=sys.stderr)
            return FAILED
    print("configuration is valid")
    return COMPLETE


def _trial(config: Config, physics, seconds: float) -> str:
    """What the run will take at the pace of one endosome after ``seconds``, in words: steps grow longer as domains do,
    so it is a bound."""
    start = time.process_time()
    endosome = REPLICAS[config.kind][1](physics, config.seed, 0, None, np.zeros(0, EVENT_DTYPE))
    middle, end = (time.monotonic() + share * seconds for share in (0.5, 1.0))
    endosome.advance(physics.duration_ticks, lambda: time.monotonic() > middle)
    begun, spent = endosome.tick, time.process_time()
    once = iter([False])
    endosome.advance(physics.duration_ticks, lambda: next(once, True) and time.monotonic() > end)
    ticks, spent = endosome.tick - begun, time.process_time() - spent
    core_s = start + (config.endosomes * physics.duration_ticks * spent / ticks if ticks else 0.0)
    state = sum(value.nbytes for value in endosome.arrays().values())
    # Linux counts in KiB.
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + (config.endosomes - 1) * state
    reached = endosome.tick * physics.tick_s * 1e3
    return f"estimate: at most {core_s:.3g} core s, {memory / 2**20:.0f} MiB (one endosome was run to {reached:.3g} ms)"


def _summary(output: Path, *, picture: bool) -> None:
    """What came out, in words, and the picture beside the archive."""
    record = read(output)
    ilvs, events = record.ilvs, record.events
    lines = [f"{record.attributes['name']}: {record.attributes['status']}, {record.attributes['wall_time_s']:.0f} s"]
    if len(ilvs):
        size = record.size_distribution
        low, high = median_interval(
            ilvs["diameter_nm"], ilvs["endosome"], int(record.attributes["number_of_endosomes"])
        )
        interval = f" (95 % {low:.1f}-{high:.1f})" if np.isfinite(low) else ""
        lines.append(
            f"{len(ilvs)} ILVs from {len(np.unique(ilvs['endosome']))} of {record.attributes['number_of_endosomes']} "
            f"endosomes; median {size['median_nm']:.1f} nm{interval}, "
            f"IQR {size['q25_nm']:.1f}-{size['q75_nm']:.1f} nm, "
            f"{100 * size['fraction_40_100_nm']:.0f} % in 40-100 nm"
        )
    else:
        lines.append("no budding into the lumen: no domain lost or crossed its barrier within the simulated time")
    scissions = events["kind"] == KINDS["scission"]
    last = {name: np.sum(values[-1:]) for name, values in record.series.items()}
    counted = (
        (np.sum(scissions & ~is_ilv(events)), "buds away from the lumen"),
        (np.sum(~scissions), "fusions of vesicles"),
        (last.get("open_buds", 0), "buds with an open neck at the end"),
        (last.get("exhausted", 0), "endosomes have no membrane left for any vesicle"),
    )
    lines += [f"{count:.0f} {what}" for count, what in counted if count]
    lines.append(f"archive {output}")
    if picture:
        try:
            lines.append(f"picture {_picture(record, output.with_suffix('.png'))}")
        except OSError as error:
            lines.append(f"no picture ({error}); the archive is whole")
    print("\n".join(lines))


def _picture(record: RunRecord, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figure = (plot if record.config["kind"] == "sheet" else plot_vesicle).summary_figure(record)
    figure.savefig(path, dpi=200)
    return path


if __name__ == "__main__":
    sys.exit(main())
