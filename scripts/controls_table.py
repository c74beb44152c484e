"""Print the tables of docs/controls.md from the archives of the main run and its controls.

Give archives of configs/ceramide.yaml, of its controls, and of the main run with `--set budding.law=cap`, in any order;
each archive says which run it is. Printed are the table of the controls, the table of both bud laws, and the other
numbers of the main run that the text quotes. --write puts both tables into a document: between the lines
<!-- controls --> and <!-- end controls -->, and between <!-- laws --> and <!-- end laws -->. Exit codes: 0 if all went
well, 2 if the input is bad.
"""

import argparse
import re
import sys
from pathlib import Path

import numpy as np

from membrane.archive import ArchiveError, RunRecord, read
from membrane.outcome.intervals import mean_interval, median_interval, share_interval
from membrane.outcome.sizes import EXOSOME_RANGE_NM

EXPECTED = {
    "ceramide": "ILVs of 40-100 nm",
    "no_ceramide": "fewer and larger, or none",
    "symmetric_ceramide": "as without ceramide",
    "luminal_ceramide": "none, or away from the lumen",
    "no_oligomers": "fewer and larger, or none",
    "high_tension": "fewer, or none",
}
"""What the header of each configuration expects; it was written before the run."""

CAP = "ceramide, cap"
"""The name given here to the main run with the law of the spherical cap."""


def name_of(record: RunRecord) -> str:
    """Which of the runs an archive holds. Raises ValueError if it is none of them or has not come to its end."""
    name, status = record.attributes["name"], record.attributes["status"]
    if name not in EXPECTED:
        raise ValueError(f"{record.path} is {name!r}; give archives of {', '.join(EXPECTED)}")
    if status != "complete":
        raise ValueError(f"{record.path} is {status}; run it to its end")
    return CAP if name == "ceramide" and record.config["budding"]["law"] == "cap" else name


def numbers(record: RunRecord) -> dict[str, str]:
    """The results of a run as text, with 95 % intervals over endosomes. Without ILVs only the first three are given."""
    ilvs, endosomes = record.ilvs, int(record.attributes["number_of_endosomes"])
    diameter, owner = ilvs["diameter_nm"], ilvs["endosome"]
    count = np.bincount(owner, minlength=endosomes)
    low, high = EXOSOME_RANGE_NM
    inside = np.bincount(owner[(diameter >= low) & (diameter <= high)], minlength=endosomes)
    found = {
        "endosomes": f"{endosomes}",
        "ILVs": f"{len(ilvs)}",
        "ILVs an endosome": with_ends(count.mean(), mean_interval(count), ".1f"),
    }
    if not len(ilvs):
        return found
    share = [100 * float(end) for end in share_interval(inside, count)]
    barrier, opened = ilvs["barrier_kBT"], record.series["open_buds"]
    crossed = barrier > 0
    return found | {
        "median diameter (nm)": with_ends(np.median(diameter), median_interval(diameter, owner, endosomes), ".1f"),
        "in 40-100 nm (%)": with_ends(100 * inside.sum() / len(ilvs), share, ".0f"),
        "quartiles; smallest, largest (nm)": "{:.0f}-{:.0f}; {:.0f}, {:.0f}".format(
            *np.quantile(diameter, [0.25, 0.75, 0, 1])
        ),
        "median time of leaving (ms); last": f"{1e3 * np.median(ilvs['time_s']):.0f}; {1e3 * ilvs['time_s'].max():.0f}",
        "crossed a barrier": f"{100 * crossed.mean():.0f} %"
        + (f" (up to {barrier[crossed].max():.1f} kT)" if crossed.any() else ""),
        "open buds on the way, at the end": f"up to {opened.max():.0f} an endosome; {opened[-1].sum():.0f} in all",
    }


def with_ends(value: float, ends, form: str) -> str:
    """A number with the ends of its interval, in the format ``form``; "(too few)" if there is no interval."""
    low, high = ends
    return f"{value:{form}}" + (f" ({low:{form}}-{high:{form}})" if np.isfinite(low + high) else " (too few)")


def table_of(header: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def controls(found: dict[str, dict[str, str]]) -> str:
    """The table of the controls, with one row for each configuration."""
    columns = ["endosomes", "ILVs", "ILVs an endosome", "median diameter (nm)", "in 40-100 nm (%)"]
    rows = [
        [name, expected, *(found[name].get(column, "-") for column in columns)]
        for name, expected in EXPECTED.items()
        if name in found
    ]
    return table_of(["configuration", "expected", *columns], rows)


def laws(found: dict[str, dict[str, str]]) -> str:
    """The table of the main run under both laws, with one row for each quantity."""
    exact, cap = found["ceramide"], found[CAP]
    rows = [[name, exact.get(name, "-"), cap.get(name, "-")] for name in exact | cap]
    return table_of(["", "exact law", "spherical cap"], rows)


def quoted(record: RunRecord) -> str:
    """The other numbers of the main run that docs/controls.md quotes."""
    count = np.bincount(record.ilvs["endosome"], minlength=int(record.attributes["number_of_endosomes"]))
    tension = record.series["tension_uN_per_m"][-1]
    return (
        f"main run: {count.min()} to {count.max()} ILVs an endosome, variance {count.var(ddof=1):.1f} about "
        f"{count.mean():.1f}; tension at the end {tension.min():.0f} to {tension.max():.0f} uN/m"
    )


def written(text: str, name: str, content: str) -> str:
    """``text`` with ``content`` put between its marks. Raises ValueError if it has no such marks."""
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    if not marks.search(text):
        raise ValueError(f"there are no lines <!-- {name} --> and <!-- end {name} -->")
    return marks.sub(lambda at: f"{at[1]}{content}\n{at[2]}", text)


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", metavar="ARCHIVE", type=Path, nargs="+")
    parser.add_argument("--write", metavar="DOCUMENT", type=Path, help="put the tables between its marks")
    options = parser.parse_args(arguments)
    try:
        records = {name_of(record): record for record in map(read, options.archives)}
        found = {name: numbers(record) for name, record in records.items()}
        tables = {"controls": controls(found)} | ({"laws": laws(found)} if {"ceramide", CAP} <= found.keys() else {})
        if options.write:
            text = options.write.read_text(encoding="utf-8")
            for name, table in tables.items():
                text = written(text, name, table)
            options.write.write_text(text, encoding="utf-8")
    except (ArchiveError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(*tables.values(), *([quoted(records["ceramide"])] if "ceramide" in records else []), sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
