"""The folder of a sweep: copies of the base and the sweep as they were when it began, and what each member has left.

``kept/base.yaml`` and ``kept/sweep.yaml`` are complete, so that the folder needs no other file. They lie apart from the
files of users, who may keep their own in the folder. Member 12 leaves its archive ``000012.h5`` (while it lasts
``000012.h5.partial/``) and its messages in ``000012.log``.
"""

import os
from pathlib import Path
from typing import TextIO

import yaml

from membrane.archive import RunStatus, run_status
from membrane.config import ConfigError, changes
from membrane.paths import SIGN, require_own_file
from membrane.sweep.members import Member, Sweep, read_sweep


class SweepFolder:
    """The folder ``path`` in which the members of a ``sweep`` are kept."""

    def __init__(self, path: Path, sweep: Sweep):
        self.path, self.sweep = path.absolute(), sweep

    @property
    def kept_base(self) -> Path:
        """The copy of the base, as it was when the sweep began."""
        return self.path / "kept" / "base.yaml"

    @property
    def kept_sweep(self) -> Path:
        """The copy of the sweep, as it was when it began."""
        return self.path / "kept" / "sweep.yaml"

    def check(self) -> None:
        """Raise ConfigError where members that may have been run would change.

        Raises PathError where the copies of base and sweep would replace files that this package did not make.
        """
        for copy in (self.kept_base, self.kept_sweep):
            require_own_file(copy, remedy="give another --folder")
        if self.kept_sweep.exists():
            self._refuse_changes(read_sweep(self.kept_sweep, kept=True))

    def keep(self) -> None:
        """Write the copies of base and sweep. Raises as `check`, and OSError where the folder cannot be written."""
        self.check()
        self.kept_sweep.parent.mkdir(parents=True, exist_ok=True)
        # The base is written first, so that a sweep that is there always finds its base.
        sweep = self.sweep.config.model_dump(mode="json") | {"base": "base.yaml", "set": {}}
        contents = {self.kept_base: self.sweep.base.to_yaml(), self.kept_sweep: yaml.safe_dump(sweep, sort_keys=False)}
        for copy, text in contents.items():
            text = f"# {SIGN}.ensemble keeps this copy; change the sweep that it was made of.\n{text}"
            if not copy.exists() or copy.read_text() != text:
                temporary = copy.with_name(f"{copy.name}.{os.getpid()}.tmp")
                try:
                    temporary.write_text(text)
                    os.replace(temporary, copy)
                finally:
                    temporary.unlink(missing_ok=True)

    def archive(self, member: Member) -> Path:
        """The path of a member's archive, which may not exist yet."""
        return self.path / f"{member.number:06d}.h5"

    def log(self, member: Member) -> Path:
        """The path of a member's messages."""
        return self.path / f"{member.number:06d}.log"

    def open_log(self, member: Member) -> TextIO:
        """The messages of a member, open to append. Raises PathError where that name is another file's, or OSError."""
        require_own_file(path := self.log(member), ours=_is_log)
        return open(path, "a")

    def state(self, member: Member) -> RunStatus:
        """How far a member has come.

        Where nothing was saved, the reason is the last message of the member. A complete member that is to last longer
        counts as partial.
        """
        found = run_status(self.archive(member))
        if found.status == "complete" and found.duration_s < (wanted := member.config.duration_s):
            return RunStatus("partial", f"complete to {found.duration_s:g} s of {wanted:g} s")
        if found.status == "missing" and (reason := self.reason(member)):
            return RunStatus("missing", reason)
        return found

    def reason(self, member: Member) -> str:
        """The last message of a member; "" where there is none."""
        try:
            lines = self.log(member).read_text(errors="replace").splitlines()
        except OSError:
            return ""
        messages = [line for line in lines if line.strip() and not line.startswith("$ ")]
        faults = [i for i, line in enumerate(messages) if line.startswith("membrane run: ")]
        return " ".join(line.strip() for line in (messages[faults[-1] :] if faults else messages[-1:]))

    def _refuse_changes(self, before: Sweep) -> None:
        lines = changes(before.base, self.sweep.base)
        for old, new in zip(before.members, self.sweep.members, strict=False):
            if (old.varied, old.seed) != (new.varied, new.seed):
                lines.append(f"  member {old.number}: {old.description}, seed {old.seed} in the folder, ")
                lines[-1] += f"{new.description}, seed {new.seed} now"
                break
        if (now := len(self.sweep.members)) < len(before.members):
            lines.append(f"  {len(before.members)} members in the folder, {now} now")
        if self.sweep.base.duration_s < before.base.duration_s:
            lines.append(f"  duration_s: {self.sweep.base.duration_s} is shorter than {before.base.duration_s}")
        if lines:
            what = "is the folder of another sweep; give this one another name or --folder (only a longer duration_s "
            raise ConfigError("\n".join([f"{self.path} {what}and more replicas go on there):", *lines]))


def _is_log(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(2) in (b"", b"$ ")
