"""A run from a notebook, by the engine of the command."""

import warnings
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from membrane.archive import ArchiveError
from membrane.archive import read as read_archive
from membrane.config import log_remarks
from membrane.notebook.config import Source, load
from membrane.notebook.folder import TemporaryFolder
from membrane.notebook.result import Result
from membrane.paths import archive_name, resolve_link
from membrane.program.console import quiet_xla
from membrane.program.cores import cores
from membrane.program.stop import Stop


def run(
    config: Source,
    *,
    output: str | PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    threads: int | None = None,
    batch: int | None = None,
    set: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Result:
    """Run a configuration to its end and return what came out.

    ``config``: the path of a YAML file, the name of a shipped configuration, or a configuration.
    ``output``: the archive to write, an HDF5 file. By default nothing is kept: the archive lives in a temporary folder
        as long as the result does.
    ``set``, ``changes``: other values than those of the configuration, see ``membrane.Config.changed``.

    ``resume``: go on from the last checkpoint of ``output``, or extend it to a longer ``duration_s``.
    ``overwrite``: replace an archive or an unfinished run of this package at ``output``.
    ``progress``: show a progress bar, in a notebook or on a terminal.
    ``threads``: endosomes advanced side by side on a CPU; by default one for each core.
    ``batch``: endosomes of a sheet that one program advances on all devices; by default 64 a GPU, none on a CPU.

    A run that fails numerically gives a result of status ``failed``, up to the last good state, and a warning.

    Raises ConfigError where the configuration is not valid; ArchiveError where the archive exists, cannot be written or
    does not fit when it is resumed; KeyboardInterrupt where the run is interrupted, which says what is kept.

    >>> import membrane as mb
    >>> result = mb.run("ceramide", endosomes=1, duration_s=0.003, box_nm=[96, 96], law="cap", progress=False)
    >>> result
    ceramide: a sheet, complete, 1 endosome, 3.008 ms
    ├─ events: 0, of which 0 made an ILV
    ├─ sizes: no ILV of known size from 1 endosome
    ├─ series: 4 times, 38 observables
    ├─ frames: cargo_monomer, cargo_oligomer, ceramide_cytosolic, ceramide_luminal, height, phi
    └─ archive: not kept; save(path) keeps it
    >>> result.series.tension_uN_per_m.values[:, 0]
    array([1., 1., 1., 1.])
    """
    checked = load(config, set=set, **changes)
    if output is None and (resume or overwrite):
        raise ArchiveError("resume and overwrite are about an archive: name it with output=")
    options = SimpleNamespace(
        resume=resume, overwrite=overwrite, threads=threads or cores(), batch=batch, quiet=not progress
    )
    if output is not None:
        target = resolve_link(archive_name(Path(output).expanduser()))
        try:
            _fill(checked, target, options)
        except KeyboardInterrupt:
            where = f"the last checkpoint is in {target}.partial; run it again with resume=True to go on"
            kept = Path(f"{target}.partial").exists()
            raise KeyboardInterrupt(where if kept else "nothing was written yet") from None
        return _result(target, None)
    folder = TemporaryFolder()
    target = folder.path / f"{checked.name}.h5"
    try:
        _fill(checked, target, options)
    except KeyboardInterrupt:
        folder.remove()
        raise KeyboardInterrupt("nothing is kept, since no output= was given") from None
    except BaseException:
        folder.remove()
        raise
    return _result(target, folder)


def _fill(config: Any, target: Path, options: SimpleNamespace) -> None:
    """Run ``config`` into the archive ``target``. Raises KeyboardInterrupt where it was interrupted."""
    with Stop() as stop:
        quiet_xla()
        # Seconds, in which an interruption is heard.
        from membrane.builder import build
        from membrane.notebook.settings import jax_set_up
        from membrane.program.launch import advance, batch_of, open_archive

        with jax_set_up(float64=config.numerics.precision == "float64"):
            physics = build(config)
            log_remarks(config, config.name)
            batch = batch_of(config, physics, options.batch)
            stop.begin()
            archive = open_archive(config, target, options)
            if archive is None:
                return
            with archive:
                status = advance(config, physics, archive, stop, batch, options)
            if status == "partial":
                raise KeyboardInterrupt


def _result(target: Path, folder: TemporaryFolder | None) -> Result:
    record = read_archive(target)
    if record.attributes["status"] == "failed":
        warnings.warn(f"numerical failure: {record.attributes['failure']}", RuntimeWarning, stacklevel=3)
    return Result(record, folder)
