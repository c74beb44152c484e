"""Tables are built once for each configuration and range, and then kept in a folder of the user's cache."""

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import platformdirs

from membrane.bud.table.axes import Axis, Ranges, axes_of
from membrane.bud.table.build import solve_nodes
from membrane.bud.table.certificate import Certificate, certify
from membrane.bud.table.law import TableLaw
from membrane.bud.table.paths import PathTable, table_of_paths
from membrane.bud.table.situation import Constants

log = logging.getLogger("membrane")

SEED = 1
"""Of the random domains of a certificate."""

THRESHOLDS_SHARE = 0.06
"""In so many situations for each of these domains threshold sizes are sought."""


def table_law(
    constants: Constants,
    ranges: Ranges,
    *,
    refinement: float = 1.0,
    points: int = 200,
    threads: int = 1,
    folder: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> TableLaw:
    """The table of a configuration: the one that is kept, or one that is built now, in float32.

    Arguments:
        constants: of the configuration.
        ranges: what may be asked of it.
        refinement: the nodes lie this many times closer than they do by default.
        points: number of random domains with which it is compared with the exact law.
        threads: number of paths that are solved at a time.
        folder: where tables are kept; None: in the user's cache.
        progress: called with the number of paths that are solved, and of all.

    Raises:
        ValueError: the table does not agree with the exact law as well as it must.
    """
    folder = Path(folder or platformdirs.user_cache_path("membrane") / "bud-tables")
    file = folder / f"{_key(constants, ranges, refinement, points)}.npz"
    kept = _read(file, constants)
    if kept is not None:
        return kept
    log.info("the table of the bud law is built, which takes a minute or two; it is then kept in %s", folder)
    axes = axes_of(ranges, constants.bending_rigidity, refinement)
    nodes = solve_nodes(axes, constants, ranges.host_radius, threads=threads, progress=progress)
    if not nodes[1].any():
        raise ValueError(f"no domain of {ranges} can bud: ask for ranges in which some can")
    paths = table_of_paths(axes, *nodes, dtype=np.float32)
    law = TableLaw(paths, constants, None)
    ask = eqx.filter_jit(lambda law, *given: law(*given))
    thresholds = round(THRESHOLDS_SHARE * points)
    certificate = certify(
        lambda *given: ask(law, *given), constants, ranges, points=points, thresholds=thresholds, seed=SEED
    )
    if not certificate.hills or not certificate.thresholds:
        raise ValueError(f"no hill or no threshold lies in {ranges}: ask for wider ranges, above all of the size")
    if not certificate.reached:
        raise ValueError(
            f"the table of the bud law is not good enough ({certificate}); ask for narrower ranges, above all for a "
            "smaller curvature outside, or for a finer table (refinement=1.5)"
        )
    law = TableLaw(paths, constants, certificate)
    _write(file, law)
    return law


def _key(*depends_on) -> str:
    """Name of a table: a digest of all that it depends on, the code of the bud law included."""
    return hashlib.sha256(repr((*depends_on, _code())).encode()).hexdigest()[:24]


@cache
def _code() -> str:
    """Digest of the source of the bud law."""
    files = sorted(Path(__file__).parents[1].rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _write(file: Path, law: TableLaw) -> None:
    """Keep a table; a folder that cannot be written is no error."""
    paths = law.paths
    arrays = {f"shapes_{i}": np.asarray(shape) for i, shape in enumerate(paths.shapes)}
    arrays |= {f"axis_{i}": np.array([a.start, a.spacing, a.count]) for i, a in enumerate(paths.axes)}
    arrays |= {f"certificate_{name}": np.array(value) for name, value in asdict(law.certificate).items()}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".tmp", delete=False) as part:
            np.savez(part, shares=np.asarray(paths.shares), whole=np.asarray(paths.whole), **arrays)
        os.replace(part.name, file)
    except OSError as error:
        log.warning("the table of the bud law is not kept (%s)", error)


def _read(file: Path, constants: Constants) -> TableLaw | None:
    """The table of a file; None where there is none that can be read."""
    try:
        with np.load(file) as held:
            stored = dict(held)
        axes = [stored[f"axis_{i}"] for i in range(4)]
        paths = PathTable(
            axes=tuple(Axis(start=float(a[0]), spacing=float(a[1]), count=int(a[2])) for a in axes),
            shapes=tuple(jnp.asarray(stored[f"shapes_{i}"]) for i in range(4)),
            shares=jnp.asarray(stored["shares"]),
            whole=jnp.asarray(stored["whole"]),
        )
        values = {name: stored[f"certificate_{name}"].item() for name in Certificate.__dataclass_fields__}
        return TableLaw(paths, constants, Certificate(**values))
    except FileNotFoundError:
        return None
    except Exception as error:
        log.warning("the kept table of the bud law is built anew (%s: %s)", file, error)
        return None
