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
import sys
from pathlib import Path

import jax
import platformdirs

from membrane.archive import Archive, ArchiveError, clear, read
from membrane.batch import Batch
from membrane.check import check
from membrane.config import FREE_TO_CHANGE, Config, ConfigError, changes, load, parse, tell
from membrane.console import BAD_INPUT, COMPLETE, FAILED, INTERRUPTED, set_up_logging
from membrane.cores import cores
from membrane.engine import Run
from membrane.geometries import REPLICAS
from membrane.stop import Stop
from membrane.summary import summarise

log = logging.getLogger("membrane")


def main(argv: list[str] | None = None) -> int:
    """Run one configuration; returns the exit code."""
    arguments = _parser().parse_args(argv)
    set_up_logging(arguments.quiet)
    with Stop(arguments.max_wall_time) as stop:
        try:
            if arguments.threads < 1:
                raise ConfigError(f"--threads {arguments.threads}: give at least 1")
            config = load(arguments.config, arguments.set)
            output = arguments.output or Path("runs") / f"{config.name}.h5"
            _set_up_jax(config)
            physics = REPLICAS[config.kind][0](config)
            if arguments.check:
                tell(config, arguments.config)
                return check(config, physics, arguments.trial)
            batch = _batch(config, physics, arguments.batch)
            archive = _open(config, output, arguments)
            if archive is None:
                log.info("%s is complete already; give a longer duration_s to extend it", output)
                return COMPLETE
            tell(config, arguments.config)
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
        summarise(output, picture=not arguments.no_picture)
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


if __name__ == "__main__":
    sys.exit(main())
