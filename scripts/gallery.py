"""Draws the pictures of docs/gallery.md: python scripts/gallery.py [NAME ...]

The page is the recipe. Its lines that begin with ``membrane`` are run one after the other in the root of the
repository. Those that make an archive which is there already are left out. Every picture ``gallery/NAME.webp`` of the
page is then taken from runs/gallery/NAME.png and made small enough for a page. With names only these pictures are
replaced.
"""

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "gallery.md"
WIDTH = 900


def commands(page: str) -> list[list[str]]:
    """The commands of the page, in their order, each without its first word."""
    return [shlex.split(line)[1:] for line in re.findall(r"^membrane .*$", page, re.M)]


def pictures(page: str) -> list[str]:
    """Names of the pictures that the page shows of this folder."""
    return re.findall(r"\]\(gallery/(\w+)\.webp\)", page)


def is_done(command: list[str]) -> bool:
    """Whether the archive that ``command`` would make is there."""
    written = command[command.index("--output") + 1] if "--output" in command else ""
    return command[0] in ("run", "collect") and (ROOT / written).is_file()


def shrink(source: Path, target: Path) -> None:
    """Writes the picture ``source`` with at most WIDTH pixels a line."""
    with Image.open(source) as image:
        small = image.convert("RGB")
        small.thumbnail((WIDTH, 10 * WIDTH), Image.Resampling.LANCZOS)
        small.save(target, quality=85)


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", metavar="NAME", nargs="*", help="pictures to replace (default: all)")
    options = parser.parse_args(arguments)
    page = PAGE.read_text()
    if unknown := set(options.names) - set(pictures(page)):
        parser.error(f"the page shows no picture {', '.join(sorted(unknown))}; it shows {', '.join(pictures(page))}")
    for command in commands(page):
        if not is_done(command):
            print("membrane", shlex.join(command), flush=True)
            subprocess.run([sys.executable, "-m", "membrane", *command], cwd=ROOT, check=True)
    for name in options.names or pictures(page):
        shrink(ROOT / "runs" / "gallery" / f"{name}.png", PAGE.with_suffix("") / f"{name}.webp")
    return 0


if __name__ == "__main__":
    sys.exit(main())
