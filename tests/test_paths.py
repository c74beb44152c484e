"""What a command may write to: nothing twice, nothing that it reads, nothing that is not of this package."""

import argparse
import os
import socket
import zipfile
from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from membrane import paths
from membrane.paths import (
    PathError,
    archive_name,
    figure_name,
    path,
    picture_beside,
    require_distinct_paths,
    require_own_file,
    resolve_link,
    signature,
)


def make_signed(file):
    """A file as this package writes it, by its suffix."""
    if file.suffix in (".png", ".pdf"):
        Figure((1, 1)).savefig(file, metadata=signature(file))
    elif file.suffix == ".gif":
        pictures = [Image.new("P", (9, 9), color) for color in (0, 1)]
        pictures[0].save(file, save_all=True, append_images=pictures[1:], **signature(file))
    else:
        file.write_text(f"<!-- {paths.SIGN} -->\n" + 300000 * " ")


def make_foreign(file):
    """A file of another program, by its suffix; its name and its content speak of membranes."""
    if file.suffix in (".png", ".pdf"):
        Figure((1, 1)).savefig(file, metadata={"Title": "membrane"})
    elif file.suffix == ".gif":
        Image.new("P", (9, 9)).save(file, comment="membrane")
    elif file.suffix == ".docx":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("membrane.txt", "Software: a book on the membrane")
    else:
        file.write_text("Software of a membrane\n")


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".gif", ".vtp", ".sh"])
def test_own_files_are_known_again(tmp_path, suffix):
    """What we signed may be replaced, and what is not there may be written."""
    file = tmp_path / f"a{suffix}"
    require_own_file(file)
    make_signed(file)
    require_own_file(file)


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".gif", ".vtp", ".sh", ".docx", ""])
def test_foreign_files_are_refused(tmp_path, suffix):
    """By what they hold, not by what they are called; an empty one as well."""
    file = tmp_path / f"a{suffix}"
    make_foreign(file)
    with pytest.raises(PathError, match="not made by membrane"):
        require_own_file(file)
    file.write_bytes(b"")
    with pytest.raises(PathError, match="not made by membrane"):
        require_own_file(file)


def test_special_files_are_refused(tmp_path):
    """A folder, a device, a pipe, a socket, and links to them; no pipe is waited for."""
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.png"))
        for name in ("folder.png", "pipe.png", "link.png", "socket.png", "/dev/null"):
            with pytest.raises(PathError, match=r"ordinary file|is a folder"):
                require_own_file(tmp_path / name)


def test_links_are_followed(tmp_path):
    """A link stands for its target, through several steps; a circle is refused."""
    make_signed(tmp_path / "real.png")
    make_foreign(tmp_path / "foreign.png")
    for name in ("real", "foreign"):
        (tmp_path / f"{name}1.png").symlink_to(f"{name}.png")
        (tmp_path / f"{name}2.png").symlink_to(f"{name}1.png")
    require_own_file(tmp_path / "real2.png")
    with pytest.raises(PathError, match="not made by membrane"):
        require_own_file(tmp_path / "foreign2.png")
    assert resolve_link(tmp_path / "real2.png") == Path(os.path.realpath(tmp_path / "real.png"))
    assert resolve_link(tmp_path / "real.png") == tmp_path / "real.png"
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(PathError, match="circle"):
        resolve_link(tmp_path / "a")


ARCHIVES = ("kappa_0.5", "kappa_0.7", "kappa_0.5.h5", "kappa_0.7.hdf5", "kappa_0", ".h5", "a.b.c", "a.b", "A.H5")


@pytest.mark.parametrize("ending", [".png", "-sizes", ".gif"])
def test_no_two_archives_share_a_picture(ending):
    """Whatever their names, but for .h5 itself."""
    for one, other in combinations(ARCHIVES, 2):
        stripped = {name.removesuffix(".h5").removesuffix(".hdf5") for name in (one, other)}
        if len(stripped) == 2:
            assert picture_beside(Path("r", one), ending) != picture_beside(Path("r", other), ending)
    assert picture_beside(Path("r/kappa_0.5"), ending) == Path(f"r/kappa_0.5{ending}")
    assert picture_beside(Path("r/kappa_0.5.h5"), ending) == Path(f"r/kappa_0.5{ending}")
    assert picture_beside(Path("r/a.h5.partial"), ending) == Path(f"r/a{ending}")


def test_outputs_differ_from_each_other_and_from_inputs(tmp_path, monkeypatch):
    """By what they are: through relative names, symbolic and hard links, and inside a folder that will be replaced."""
    monkeypatch.chdir(tmp_path)
    (config := tmp_path / "a.yaml").write_text("name: a")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "b.yaml").write_text("name: b")
    (tmp_path / "soft").symlink_to(config)
    os.link(config, tmp_path / "hard")
    require_distinct_paths(
        {"the archive": Path("out.h5"), "the picture": Path("out.png")}, [config, Path("folder/b.yaml")]
    )
    for name in ("a.yaml", "./folder/../a.yaml", "soft", "hard"):
        with pytest.raises(PathError, match="reads"):
            require_distinct_paths({"the archive": Path(name)}, [config])
    with pytest.raises(PathError, match="reads"):
        require_distinct_paths({"the folder": Path("folder")}, [Path("folder/b.yaml")])
    with pytest.raises(PathError, match="one file"):
        require_distinct_paths({"the archive": Path("x"), "the picture": tmp_path / "folder" / ".." / "x"})


def test_home_is_expanded(monkeypatch, tmp_path):
    """In every path argument; a user that does not exist and an empty path are refused."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert path("~/a.h5") == tmp_path / "a.h5"
    assert path("a~b") == Path("a~b")
    for text in ("~no-such-user/a", "", "a\0b"):
        with pytest.raises(argparse.ArgumentTypeError):
            path(text)


@pytest.mark.parametrize("suffix", [".png", ".PDF", ".gif", ".yaml", ".yml", ".docx", ".partial", ".py", ".log"])
def test_an_archive_is_no_picture(suffix):
    """A name that says something else is a mistake; numbers after a point are not."""
    with pytest.raises(PathError, match=r"ends in \.h5"):
        archive_name(Path(f"a{suffix}"))
    for name in ("a.h5", "a", "kappa_0.5", "a.hdf5"):
        assert archive_name(Path(name)) == Path(name)


@pytest.mark.parametrize(
    ("text", "name"), [("a", "a.png"), ("a.pdf", "a.pdf"), ("kappa_0.5", "kappa_0.5.png"), ("b.png", "b.png")]
)
def test_figure_name(text, name):
    """A name without the ending of a figure gets .png; no part of it is cut off."""
    assert figure_name(text).name == name
