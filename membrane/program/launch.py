"""One run, from its arguments to its exit code: it opens the archive, lets the engine fill it and reports."""

import logging
import sys
from pathlib import Path

import jax

from membrane.archive import Archive, ArchiveError, read, remove_leftovers
from membrane.builder import build
from membrane.config import FREE_TO_CHANGE, Config, ConfigError, changes, load, log_remarks, parse
from membrane.paths import archive_name, picture_beside, require_distinct_paths, require_own_file, resolve_link
from membrane.program.backend import BackendError, set_up_environment, set_up_jax
from membrane.program.batch import Batch
from membrane.program.check import check
from membrane.program.console import BAD_INPUT, COMPLETE, FAILED, INTERRUPTED
from membrane.program.engine import Engine
from membrane.program.stop import Stop
from membrane.program.summary import summarise

log = logging.getLogger("membrane")


def launch(arguments, stop: Stop) -> int:
    """Run one configuration, or check it; returns the exit code.

    ``arguments``: those of ``membrane run``.
    ``stop``: entered, and not yet begun.

    Raises KeyboardInterrupt where a signal came before anything was written.
    """
    try:
        config = load(arguments.config, arguments.set)
        if not arguments.check:
            output = _output(config, arguments)
        set_up_environment()
        set_up_jax(float64=config.numerics.precision == "float64")
        physics = build(config)
        log_remarks(config, arguments.config)
        if arguments.check:
            return check(config, physics, arguments.trial)
        batch = batch_of(config, physics, arguments.batch)
        stop.begin()
        archive = open_archive(config, output, arguments)
        if archive is None:
            log.info("%s is complete already; give a longer duration_s to extend it", output)
            return COMPLETE
    except (ConfigError, ArchiveError, BackendError, ValueError, OSError) as error:
        print(f"membrane run: {error}", file=sys.stderr)
        return BAD_INPUT
    try:
        with archive:
            status = advance(config, physics, archive, stop, batch, arguments)
    except ArchiveError as error:
        print(f"membrane run: {error}", file=sys.stderr)
        return FAILED
    # A signal has no effect any more: the archive is whole, and only its summary is left to make.
    if status == "partial":
        log.warning("%s: checkpoint saved in %s.partial; go on with --resume", stop.reason, output)
        return INTERRUPTED
    summarise(output, picture=not arguments.no_picture)
    return COMPLETE if status == "complete" else FAILED


def _output(config: Config, arguments) -> Path:
    """The archive that will be written. Raises PathError where it, or its picture, would replace a foreign file."""
    output = resolve_link(archive_name(arguments.output or Path("runs") / f"{config.name}.h5"))
    picture = picture_beside(output, ".png")
    files = {"the archive": output, "the folder of the unfinished run": output.with_name(output.name + ".partial")}
    if not arguments.no_picture:
        require_own_file(picture, remedy="give another --output, or --no-picture")
        files["the picture"] = picture
    require_distinct_paths(files, [arguments.config])
    return output


def advance(config: Config, physics, archive: Archive, stop: Stop, batch: Batch | None, arguments) -> str:
    """Advance a run to its end, unless it is stopped before; returns the status of the archive.

    ``arguments``: with ``threads`` and ``quiet``, see :class:`Engine`. A partial archive stays a folder, to be resumed;
    any other is put into one file.
    """
    engine = Engine(config, physics, archive, stop, threads=arguments.threads, batch=batch, quiet=arguments.quiet)
    status = engine.to_end()
    engine.progress.close()
    if status != "partial":
        about = {"config_yaml": config.to_yaml(), "failure": engine.failure, "simulated_time_s": engine.simulated_s}
        archive.finish(
            status=status,
            wall_time_s=float(engine.wall_time_s),
            units=physics.units,
            grid_spacing_nm=physics.grid.spacing,
            number_of_endosomes=config.endosomes,
            keep_checkpoint=config.output.keep_checkpoint,
            attributes=about | physics.attributes,
        )
    return status


def batch_of(config: Config, physics, at_a_time: int | None) -> Batch | None:
    """The batch that advances the endosomes; None where each has a thread, which is faster on a CPU.

    ``at_a_time``: endosomes in a batch, as ``--batch`` gives it; None: the default, a batch on GPUs only.
    """
    if at_a_time is not None and config.kind != "sheet":
        raise ConfigError(f"--batch {at_a_time}: only sheets are batched; leave it out")
    if config.kind != "sheet" or (at_a_time is None and jax.default_backend() == "cpu"):
        return None
    return Batch.on_all_devices(physics.stepper.chunk, config.endosomes, at_a_time)


def open_archive(config: Config, output: Path, arguments) -> Archive | None:
    """Open the archive to write to; None where a resumed run has nothing left to do.

    ``arguments``: with ``resume`` and ``overwrite``. Raises ConfigError where an archive that is resumed was made with
    another configuration, and ArchiveError where it cannot be opened.
    """
    remove_leftovers(output)
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
    """Raises ConfigError where a configuration changes what must not change between the parts of a run."""
    if lines := changes(before, now):
        free = " and ".join(FREE_TO_CHANGE)
        raise ConfigError(
            "\n".join([f"{output} was made with another configuration; only {free} may change with --resume:", *lines])
        )
    if now.duration_s < before.duration_s:
        raise ConfigError(f"duration_s {now.duration_s} is shorter than the {before.duration_s} of {output}")
