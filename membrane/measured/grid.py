"""A file of a laboratory as rows of cells, whatever its encoding, its separator and its decimal mark."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from membrane.extras import needed


class MeasuredError(ValueError):
    """A file that is not what it should be. The message says what was found, what is expected and what helps."""


Rows = list[list[str]]

SPREADSHEETS = (".xlsx", ".xlsm")
"""Endings of the spreadsheets that can be read."""

OTHER_SPREADSHEETS = (".xls", ".xlsb", ".ods", ".numbers")

_POINT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.I)
_COMMA = re.compile(r"[-+]?\d+,\d+(e[-+]?\d+)?", re.I)

_THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+")

_BEGINNINGS = {
    b"PK\x03\x04": "an archive of ZIP, or a spreadsheet without the ending .xlsx",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"\x89HDF": "an HDF5 file",
    b"{\\rtf": "a text of a word processor",
}
"""First bytes of files that hold no table, and what such files are."""


def read_rows(path: Path) -> Rows:
    """The cells of a text file or of a spreadsheet, each without blanks around it; empty rows stay, as empty lists.

    ``path``: the file. A text may be UTF-8, UTF-16 with its mark, or Latin-1, with tabs, semicolons, commas or blanks
        between columns.

    Raises MeasuredError where the file is no table, ImportError where a spreadsheet needs a library, and OSError where
    it cannot be read.
    """
    if path.is_dir():
        raise MeasuredError(f"{path} is a folder; give the file of a measurement")
    if path.suffix.lower() in OTHER_SPREADSHEETS:
        raise MeasuredError(f"{path}: {path.suffix} is not read; save it as .xlsx or as CSV")
    rows = _of_spreadsheet(path) if path.suffix.lower() in SPREADSHEETS else _of_text(_text(path), path)
    rows = [_without_end(row) for row in rows]
    if not any(rows):
        raise MeasuredError(f"{path} is empty; expected a table of sizes")
    return rows


def _text(path: Path) -> str:
    content = path.read_bytes()
    for beginning, what in _BEGINNINGS.items():
        if content.startswith(beginning):
            raise MeasuredError(f"{path} is {what}; expected a text with a table of sizes, or a spreadsheet (.xlsx)")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError:
            raise MeasuredError(f"{path} begins as UTF-16 and is broken; save it as CSV again") from None
    if b"\0" in content:
        raise MeasuredError(f"{path} has bytes that no text has; save it as CSV (UTF-8), or as .xlsx")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    if re.match(r"\s*<(!doctype|html|\?xml|head|body|table)", text, re.I):
        raise MeasuredError(f"{path} is a web page; expected a table of sizes. Was a page saved in place of the file?")
    return text


def _of_text(text: str, path: Path) -> Rows:
    lines = text.splitlines()
    if not any(mark in text for mark in "\t;,") and sum(map(_are_numbers, lines)) * 2 > sum(map(bool, lines)):
        return [line.split() for line in lines]
    try:
        return [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=_separator(lines))]
    except csv.Error as error:
        raise MeasuredError(f"{path} is no table ({error}); save it as CSV again") from None


def _are_numbers(line: str) -> bool:
    """Whether a line holds several numbers with blanks between them."""
    cells = line.split()
    return len(cells) > 1 and all(map(is_number, cells))


def _separator(lines: list[str]) -> str:
    """The separator that most lines have: a tab and a semicolon are never part of a number, a comma may be."""
    filled = [line for line in lines if line.strip()]
    for separator in ("\t", ";"):
        if sum(separator in line for line in filled) * 2 > len(filled):
            return separator
    # Many exporters have a few lines of remarks before a table with tabs.
    return "\t" if sum("\t" in line for line in filled) > sum("," in line for line in filled) else ","


def _of_spreadsheet(path: Path) -> Rows:
    """The cells of the first sheet that is not empty."""
    with needed("analysis"):
        import openpyxl  # noqa: F401  pandas asks for it only once a file is open
        import pandas
    try:
        sheets = pandas.read_excel(path, sheet_name=None, header=None, dtype=object)
    except OSError:
        raise
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise MeasuredError(f"{path} is no spreadsheet that can be read ({why}); save it again as .xlsx") from None
    filled = [sheet for sheet in sheets.values() if not sheet.empty]
    if not filled:
        return []
    return [["" if cell != cell else str(cell).strip() for cell in row] for row in filled[0].to_numpy().tolist()]


def _without_end(row: list[str]) -> list[str]:
    """A row without the empty cells at its end, which spreadsheets and exporters add."""
    while row and not row[-1]:
        row = row[:-1]
    return row


def is_number(cell: str) -> bool:
    """Whether a cell is a number, with a decimal point or a decimal comma."""
    return bool(_POINT.fullmatch(cell) or _COMMA.fullmatch(cell))


def numbers(cells: Sequence[str], where: str) -> np.ndarray:
    """A column of cells as numbers.

    ``cells``: with decimal points, or all with decimal commas.
    ``where``: what the column is, for messages.

    Raises MeasuredError where a cell is no number, where points and commas are mixed, where a comma may part thousands,
    and where a number is not finite or negative.

    >>> numbers(["0,5", "1,5", "2"], "sizes").tolist()
    [0.5, 1.5, 2.0]
    """
    wrong = next((cell for cell in cells if not is_number(cell)), None)
    if wrong is not None:
        what = f"{wrong!r}" if wrong else "an empty cell"
        raise MeasuredError(f"{where}: {what} stands where a number is expected; correct or remove that row")
    if any("," in cell for cell in cells) and any("." in cell for cell in cells):
        raise MeasuredError(f"{where}: decimal points and decimal commas are mixed; save the file with one of them")
    with_comma = [cell for cell in cells if "," in cell]
    whole = [cell for cell in cells if cell.isdigit() and float(cell) >= 100]
    if with_comma and whole and all(_THOUSANDS.fullmatch(cell) for cell in with_comma):
        raise MeasuredError(
            f"{where}: {with_comma[0]!r} beside {whole[0]!r} may mean thousands or a decimal comma; save the file "
            "without commas, or with decimal points"
        )
    found = np.array([float(cell.replace(",", ".")) for cell in cells])
    if not np.all(np.isfinite(found)):
        raise MeasuredError(f"{where}: a number is too large to be one; correct that row")
    if np.any(found < 0):
        raise MeasuredError(
            f"{where}: {found.min():g} is negative; sizes and numbers are not. If a background was subtracted, give "
            "the data as they were"
        )
    return found


def label(cell: str) -> str:
    """A heading in small letters with single blanks, so that headings compare."""
    return " ".join(cell.lower().split())


def row_of(rows: Rows, *beginnings: str, start: int = 0) -> int | None:
    """The number of the first row from ``start`` on whose first cell begins with one of ``beginnings`` (small letters),
    or None."""
    return next((i for i in range(start, len(rows)) if rows[i] and label(rows[i][0]).startswith(beginnings)), None)
