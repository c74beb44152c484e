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
import signal
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import platformdirs
from tqdm import tqdm

from membrane import plot
from membrane.archive import Archive, ArchiveError, read
from membrane.build import Physics, build
from membrane.config import Config, ConfigError, load, parse
from membrane.endosome import Books, Endosome, content
from membrane.events import EVENT_DTYPE, BudWatcher, is_ilv, with_tension
from membrane.model import State
from membrane.series import UNITS, SeriesWatcher
from membrane.simulate import NumericalFailure, simulate
from membrane.sizes import median_interval

COMPLETE, BAD_INPUT, FAILED, INTERRUPTED = 0, 2, 3, 75
STATE_ARRAYS = ("fields", "increment_hat", "rate_hat", "wiener", "tick", "step_ticks", "history_ticks")

log = logging.getLogger("membrane")


class Replica:
    """One endosome: its state, its watchers, and how both go to a checkpoint and back."""

    def __init__(self, physics: Physics, config: Config, index: int, saved: dict | None, events: np.ndarray):
        self.physics, self.index = physics, index
        key = jax.random.fold_in(jax.random.key(config.seed), index)
        if saved is None:
            self.state = physics.model.initial_state(key, physics.first_step_ticks)
            books = Books.open(content(self.state.fields, physics.model.grid.cell_area))
            budget = physics.new_endosome()
        else:
            key = jax.random.wrap_key_data(jnp.asarray(saved["key"]))
            self.state = State(key=key, **{name: jnp.asarray(saved[name]) for name in STATE_ARRAYS})
            books, budget = Books.from_arrays(saved), Endosome.from_arrays(physics.tension_law, saved)
        shared = {"tick_s": physics.tick_s, "tick": int(self.state.tick)}
        self.buds = BudWatcher(
            physics.rules,
            physics.fusion,
            budget,
            books,
            sheet_area=physics.model.grid.area,
            endosome=index,
            seed=config.seed,
            interval=physics.look_ticks,
            **shared,
        )
        self.buds.rows = list(events[events["endosome"] == index])
        if saved is not None:
            self.buds.restore(saved)
        rows = None if saved is None else saved["series"]
        self.series = SeriesWatcher(self.buds, interval=physics.series_ticks, rows=rows, **shared)
        if saved is None:
            self.series.see(self.model, self.state)
            self.series.next_tick = physics.series_ticks

    @property
    def model(self):
        """The sheet at this endosome's tension."""
        return with_tension(self.physics.model, self.buds.budget.tension)

    def advance(self, until_tick: int, should_stop) -> None:
        """To ``until_tick``, or until asked to stop. Raises NumericalFailure with the last good state kept."""
        try:
            self.state = simulate(
                self.model,
                self.physics.stepper,
                self.state,
                until_tick=until_tick,
                watchers=[self.buds, self.series],
                should_stop=should_stop,
            )
        except NumericalFailure as failure:
            self.state = failure.state
            raise

    def arrays(self) -> dict[str, np.ndarray]:
        """All that a checkpoint keeps."""
        state = {name: np.asarray(getattr(self.state, name)) for name in STATE_ARRAYS}
        key = np.asarray(jax.random.key_data(self.state.key))
        watched = self.buds.as_arrays() | self.buds.books.as_arrays() | self.buds.budget.as_arrays()
        return state | {"key": key, "series": np.array(self.series.rows)} | watched


class Run:
    """All endosomes of one configuration, advanced side by side from checkpoint to checkpoint."""

    def __init__(self, config: Config, physics: Physics, archive: Archive, stop: "Stop", quiet: bool):
        self.config, self.physics, self.archive, self.stop = config, physics, archive, stop
        self.started = time.monotonic()
        saved = archive.latest()
        states, scalars, events, _ = saved if saved else ([None] * config.endosomes, {}, np.zeros(0, EVENT_DTYPE), {})
        self.wall_before = scalars.get("wall_time_s", 0.0)
        self.endosomes = [Replica(physics, config, i, s, events) for i, s in enumerate(states)]
        if saved is None:
            self.save(frame=True)
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
        workers = min(len(self.endosomes), len(os.sched_getaffinity(0)) if jax.default_backend() == "cpu" else 1)
        with ThreadPoolExecutor(workers) as pool:
            while (begun := min(int(e.state.tick) for e in self.endosomes)) < physics.duration_ticks:
                end = min((begun // physics.checkpoint_ticks + 1) * physics.checkpoint_ticks, physics.duration_ticks)
                futures = [pool.submit(e.advance, end, self.stop) for e in self.endosomes]
                failures = [error for f in futures if (error := f.exception()) is not None]
                for error in failures:
                    if not isinstance(error, NumericalFailure):
                        raise error
                whole = not failures and all(int(e.state.tick) == end for e in self.endosomes)
                self.save(frame=whole and (end % physics.frame_ticks == 0 or end == physics.duration_ticks))
                self._report()
                if failures:
                    log.error("numerical failure: %s", failures[0])
                    return "failed"
                if self.stop() and min(int(e.state.tick) for e in self.endosomes) < physics.duration_ticks:
                    return "partial"
        return "complete"

    def save(self, *, frame: bool) -> None:
        """A checkpoint generation, and a frame where one is due (then all endosomes stand at the same tick)."""
        if frame:
            tick = int(self.endosomes[0].state.tick)
            self.archive.add_frame(self._frame_index(tick), tick * self.physics.tick_s, self._frame())
        rows = min(len(e.series.rows) for e in self.endosomes)
        table = np.stack([np.array(e.series.rows[:rows]) for e in self.endosomes], axis=1)
        first = self.endosomes[0]
        names = first.series.names or list(first.series.row(first.model, first.state))
        series = {name: table[:, :, i] for i, name in enumerate(names) if name != "time_s"}
        events = [row for e in self.endosomes for row in e.buds.rows]
        events = np.array(events, EVENT_DTYPE)
        events = events[np.lexsort((events["endosome"], events["time_s"]))]
        events["event_id"] = np.arange(len(events))
        self.archive.checkpoint(
            [e.arrays() for e in self.endosomes],
            {"wall_time_s": self.wall_time, "grid_spacing_nm": list(self.physics.model.grid.spacing)},
            events,
            {"time_s": table[:, 0, 0], **series},
        )

    def _frame_index(self, tick: int) -> int:
        return -(-tick // self.physics.frame_ticks)

    def _frame(self) -> dict[str, np.ndarray]:
        model = self.physics.model
        fields = np.stack([np.asarray(e.state.fields) for e in self.endosomes], axis=1)
        height = np.stack([np.asarray(model.height(e.state.fields)) for e in self.endosomes])
        return dict(zip(model.species, fields, strict=True)) | {"height": height}

    def _done_ms(self) -> float:
        return round(sum(int(e.state.tick) for e in self.endosomes) * self.physics.tick_s * 1e3, 3)

    def _report(self) -> None:
        ilvs = sum(int(row["direction"]) > 0 for e in self.endosomes for row in e.buds.rows)
        self.bar.set_postfix_str(f"{ilvs} ILVs")
        self.bar.update(self._done_ms() - self.bar.n)
        if self.bar.disable:
            now = min(int(e.state.tick) for e in self.endosomes) * self.physics.tick_s * 1e3
            log.info("t = %.1f of %.1f ms, %d ILVs, checkpoint saved, %.0f s", now, self.total_ms, ilvs, self.wall_time)


BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} ms [{elapsed}<{remaining}{postfix}]"


class Stop:
    """Whether the run should stop at the next chunk boundary: a signal came or the wall time is spent."""

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


def main(argv: list[str] | None = None) -> int:
    """Run one configuration; returns the exit code."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(
        level=logging.WARNING if arguments.quiet else logging.INFO, format="%(message)s", stream=sys.stderr, force=True
    )
    logging.getLogger("jax").setLevel(logging.WARNING)
    try:
        config = load(arguments.config, arguments.set)
        output = arguments.output or Path("runs") / f"{config.name}.h5"
        _set_up_jax(config)
        physics = build(config)
        if arguments.check:
            return _check(config, physics)
        archive = _open(config, output, arguments)
        if archive is None:
            log.info("%s is complete already; give a longer duration_s to extend it", output)
            return COMPLETE
    except (ConfigError, ArchiveError, ValueError) as error:
        print(f"membrane.run: {error}", file=sys.stderr)
        return BAD_INPUT
    with archive, Stop(arguments.max_wall_time) as stop:
        try:
            run = Run(config, physics, archive, stop, arguments.quiet)
            status = run.to_end()
            run.bar.close()
            if status == "partial":
                log.warning("%s: checkpoint saved in %s.partial; go on with --resume", stop.reason, output)
                return INTERRUPTED
            archive.finish(
                status=status,
                wall_time_s=float(run.wall_time),
                units=UNITS,
                grid_spacing_nm=physics.model.grid.spacing,
                number_of_endosomes=config.endosomes,
                attributes={"config_yaml": config.to_yaml(), "measured_line_tension_pN": physics.wall.line_tension},
            )
        except ArchiveError as error:
            print(f"membrane.run: {error}", file=sys.stderr)
            return FAILED
    _summary(output)
    return COMPLETE if status == "complete" else FAILED


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
    parser.add_argument("--quiet", action="store_true", help="no progress, only warnings")
    return parser


def _set_up_jax(config: Config) -> None:
    jax.config.update("jax_enable_x64", config.numerics.precision == "float64")
    jax.config.update("jax_default_matmul_precision", "highest")
    jax.config.update("jax_compilation_cache_dir", platformdirs.user_cache_dir("membrane"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)


def _open(config: Config, output: Path, arguments) -> Archive | None:
    """The archive to write to; None where a resumed run has nothing left to do."""
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
    old, new = _flat(before.model_dump()), _flat(now.model_dump())
    changed = [k for k in sorted(old | new) if old.get(k) != new.get(k) and k != "duration_s"]
    if changed:
        lines = [f"  {k}: {old.get(k)!r} in the archive, {new.get(k)!r} now" for k in changed]
        raise ConfigError(
            "\n".join(
                [f"{output} was made with another configuration; only duration_s may change with --resume:", *lines]
            )
        )
    if now.duration_s < before.duration_s:
        raise ConfigError(f"duration_s {now.duration_s} is shorter than the {before.duration_s} of {output}")


def _flat(tree: dict, prefix: str = "") -> dict:
    flat = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _check(config: Config, physics: Physics) -> int:
    """Shapes, memory and the measured wall, without a step."""
    model, stepper = physics.model, physics.stepper
    state = jax.eval_shape(lambda: model.initial_state(jax.random.key(0), physics.first_step_ticks))
    compiled = jax.jit(lambda s, n: type(stepper).chunk.__wrapped__(stepper, model, s, n))
    memory = compiled.lower(state, jax.ShapeDtypeStruct((), jnp.int32)).compile().memory_analysis()
    each = memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
    grid = model.grid
    print(f"{config.name}: {config.endosomes} endosomes of {grid.shape[1]} x {grid.shape[0]} points, {grid.dtype}")
    print(f"species: {', '.join(model.species)}")
    print(
        f"line tension of the mixture: {physics.wall.line_tension:.3f} pN "
        f"(bare wall {model.lipids.line_tension:.3f} pN)"
    )
    print(f"memory: {each / 2**20:.0f} MiB an endosome in flight")
    print("configuration is valid")
    return COMPLETE


def _summary(output: Path) -> None:
    """What came out, in words, and the picture beside the archive."""
    record = read(output)
    ilvs, events = record.ilvs, record.events
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figure = plot.summary_figure(record)
    picture = output.with_suffix(".png")
    figure.savefig(picture, dpi=200)
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
    outward = int(np.sum(~is_ilv(events)))
    if outward:
        lines.append(f"{outward} buds away from the lumen")
    last = {name: record.series[name][-1] for name in ("open_buds", "exhausted")}
    if last["open_buds"].any():
        lines.append(f"{last['open_buds'].sum():.0f} buds with an open neck at the end")
    if last["exhausted"].any():
        lines.append(f"{last['exhausted'].sum():.0f} endosomes have no membrane left for any vesicle")
    lines += [f"archive {output}", f"picture {picture}"]
    print("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
