"""A folder for what nobody asked to keep."""

import shutil
import tempfile
import weakref
from pathlib import Path


class TemporaryFolder:
    """A new folder, at ``path``. It is removed with the last object that refers to this one, at ``remove()``, and at
    the end of the process at the latest."""

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="membrane-"))
        self.remove = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
