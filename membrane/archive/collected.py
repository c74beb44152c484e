"""A collected archive of many runs: their events, series and sizes, and a table that says what each run was."""

import json
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from membrane.archive.border import open_archive
from membrane.archive.files import SCHEMA_VERSION, ArchiveError, new_hdf5, replacing
from membrane.archive.ownership import now, remove_leftovers, temporary_name
from membrane.archive.record import RunRecord
from membrane.archive.seals import seal
from membrane.archive.tables import STORAGE, SUMMARY, attach, coordinate, label_events, put, write_sizes
from membrane.outcome.sizes import size_distribution
from membrane.outcome.table import EVENT_DTYPE, is_ilv
from membrane.version import version

MEMBER_DTYPE = np.dtype([*EVENT_DTYPE.descr, ("member", "i4")])
"""The columns of the events in a collected archive."""

ROUNDING = 1e-12
"""Times that differ by less than this share are one time: ticks of another length round otherwise."""

_EVENT_ROWS = 4096
_MEMBERS_AT_ONCE = 16
# HDF5 holds as many bytes of every data set in memory.
_CACHE_BYTES = 2**20


def common_times(several: list[np.ndarray]) -> np.ndarray:
    """All times (s) of several ascending arrays (time,), each once, ascending.

    >>> common_times([np.array([0.0, 0.1]), np.array([0.1, 0.2])])
    array([0. , 0.1, 0.2])
    """
    times = np.unique(np.concatenate(several))
    return times[np.diff(times, prepend=-np.inf) > ROUNDING * np.abs(times)]


class Collection:
    """Writes a collected archive, run by run. A context manager, at whose end the archive appears.

    ``path``: the archive.
    ``attributes``: root attributes by name.
    ``times_s``: the times of the series (time,), s: the `common_times` of all runs.
    ``members``: the columns of the table by name, equally long; columns that the runs decide are added.
    ``endosomes``: the number of endosomes of all runs.

    Raises ArchiveError where ``path`` holds something else than a collected archive, or cannot be written.
    """

    def __init__(self, path: Path, *, attributes: dict, times_s: np.ndarray, members: dict[str, list], endosomes: int):
        self.path, self.attributes, self.times_s, self.endosomes = Path(path), attributes, times_s, endosomes
        self.members = {name: list(column) for name, column in members.items()}
        count = len(self.members["member"])
        self.members |= {"first_endosome": [-1] * count, "ilv_count": [0] * count}
        self.members |= {name: [np.nan] * count for name in SUMMARY[1:]}
        self._first = 0
        # Some 12 bytes an ILV are held in memory.
        self._diameters, self._endosomes_of_ilvs = [np.zeros(0)], [np.zeros(0, np.int64)]

    def __enter__(self):
        if self.path.is_dir() or (self.path.exists() and not _is_collected(self.path)):
            raise ArchiveError(f"{self.path} exists and is no collected archive; choose another --output")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            remove_leftovers(self.path)
            temporary = temporary_name(self.path, "new")
            stack.enter_context(replacing(self.path, temporary))
            self._file = stack.enter_context(new_hdf5(temporary, rdcc_nbytes=_CACHE_BYTES))
            self._events = self._file.create_dataset(
                "events", (0,), MEMBER_DTYPE, maxshape=(None,), chunks=(_EVENT_ROWS,), **STORAGE
            )
            self._series = self._file.create_group("series")
            self._columns, self._waiting = {}, []
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception):
        with self._stack:
            if exception[0] is None:
                self._finish()
            else:
                # The half-written file is removed.
                self._stack.__exit__(*exception)

    def add(self, row: int, record: RunRecord) -> None:
        """Add the run of row ``row`` of the table. Its endosomes get the next numbers."""
        count = int(record.attributes["number_of_endosomes"])
        events = np.zeros(len(record.events), MEMBER_DTYPE)
        for name in EVENT_DTYPE.names:
            events[name] = record.events[name]
        events["event_id"] += self._events.shape[0]
        events["endosome"] += self._first
        events["member"] = self.members["member"][row]
        self._events.resize(self._events.shape[0] + len(events), axis=0)
        if len(events):
            self._events[-len(events) :] = events
        self._add_series(record, count)
        ilvs = events[is_ilv(events)]
        self._diameters.append(ilvs["diameter_nm"].copy())
        self._endosomes_of_ilvs.append(ilvs["endosome"].copy())
        self.members["first_endosome"][row] = self._first
        self.members["ilv_count"][row] = len(ilvs)
        for name in SUMMARY[1:]:
            self.members[name][row] = float(record.size_distribution[name])
        self._first += count

    def leave_out(self, row: int, status: str, reason: str) -> None:
        """Say in row ``row`` of the table that its run could not be read after all, and why."""
        unknown = {"status": status, "reason": reason, "endosomes": 0, "time_s": np.nan, "wall_time_s": np.nan}
        for name, value in unknown.items():
            self.members[name][row] = value
        self.attributes |= {"status": "partial"}

    def _add_series(self, record: RunRecord, count: int) -> None:
        """Add the series of a run beside those before. A few runs are written at once: small writes take long."""
        self._waiting.append((self._first, count, record.series))
        for name in record.series.keys() - self._columns.keys() - {"time_s"}:
            self._columns[name] = self._series.create_dataset(
                name,
                (len(self.times_s), self.endosomes),
                "f8",
                chunks=(max(1, len(self.times_s)), min(_MEMBERS_AT_ONCE * count, self.endosomes)),
                maxshape=(len(self.times_s), self.endosomes),
                fillvalue=np.nan,
                **STORAGE,
            )
            self._columns[name].attrs["units"] = record.units.get(name, "")
        if len(self._waiting) == _MEMBERS_AT_ONCE:
            self._write_series()

    def _write_series(self) -> None:
        if not self._waiting:
            return
        begin, end = self._waiting[0][0], sum(self._waiting[-1][:2])
        for name, column in self._columns.items():
            block = np.full((len(self.times_s), end - begin), np.nan)
            for first, count, series in self._waiting:
                if name in series:
                    rows, known = self._rows_of(series["time_s"])
                    block[rows, first - begin : first - begin + count] = series[name][known]
            column[:, begin:end] = block
        self._waiting.clear()

    def _rows_of(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows of a run's times in the series, and for each time whether it has a row.

        A time has none where an unfinished run has gone on since the times of all runs were read.
        """
        rows = np.searchsorted(self.times_s, times * (1 - ROUNDING))
        known = np.append(self.times_s, np.inf)[rows] <= times * (1 + ROUNDING)
        return rows[known], known

    def _finish(self) -> None:
        self._write_series()
        # There are fewer endosomes than announced where a run was left out.
        self.endosomes = self._first
        for column in self._columns.values():
            column.resize(self.endosomes, axis=1)
        versions = {package: version(package) for package in ("membrane", "numpy", "h5py")}
        root = {"schema_version": SCHEMA_VERSION, "membrane_version": version("membrane"), "created_utc": now()}
        root |= {"versions": json.dumps(versions), "number_of_endosomes": self.endosomes}
        self._file.attrs.update(root | self.attributes)
        self._scales()
        self._write_members()
        ilvs = np.concatenate(self._diameters), np.concatenate(self._endosomes_of_ilvs)
        sizes = size_distribution(*ilvs, max(1, self.endosomes))
        write_sizes(self._file.create_group("size_distribution"), sizes)
        # There are no frames: fields stay with the members.
        group = self._file.create_group("frames")
        group.attrs["spacing_nm"] = np.zeros(0)
        attach(put(group, "index", np.zeros(0, np.int64)), coordinate(group, "time_s", np.zeros(0), "s"))
        seal(self._file)

    def _write_members(self) -> None:
        group = self._file.create_group("members")
        for name, column in self.members.items():
            if isinstance(column[0], str):
                group[name] = [str(value) for value in column]
            else:
                put(group, name, column)
        group["member"].make_scale("member")
        for name, column in group.items():
            if name != "member":
                attach(column, group["member"])

    def _scales(self) -> None:
        label_events(self._file)
        scales = [coordinate(self._series, "time_s", self.times_s, "s")]
        scales.append(coordinate(self._series, "endosome", np.arange(self.endosomes)))
        for values in self._columns.values():
            attach(values, *scales)


def _is_collected(path: Path) -> bool:
    try:
        with open_archive(path) as file:
            return "members" in file
    except ArchiveError:
        return False
