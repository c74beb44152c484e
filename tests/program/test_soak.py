"""Half an hour of frames and checkpoints: memory stays as it was."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from test_run import CONFIG

from membrane.archive import read

MINUTES = 30
WARM = 0.2
"""Share of the time in which caches fill."""


@pytest.mark.soak
def test_memory_is_flat(tmp_path):
    """Of a run that saves about every second: what a straight line through resident memory gains from the end of the
    warm-up to the end of the run is less than 5 %, the rows of its series included; and it ends with 75."""
    (config := tmp_path / "tiny.yaml").write_text(CONFIG)
    options = ["duration_s=1000", "output.checkpoint_interval_ms=16.384", "output.frame_interval_ms=131.072"]
    options += ["output.series_interval_ms=131.072", "supply.fusion_rate_per_s=50"]
    command = [sys.executable, "-m", "membrane.run", config, "--output", tmp_path / "run.h5", "--quiet"]
    command += ["--max-wall-time", str(60 * MINUTES)] + [word for option in options for word in ("--set", option)]
    process = subprocess.Popen([str(word) for word in command])
    begun, times, sizes = time.monotonic(), [], []
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        if "VmRSS" in status:
            times.append((time.monotonic() - begun) / (60 * MINUTES))
            sizes.append(int(status.partition("VmRSS:")[2].split()[0]) / 1024)
        time.sleep(1)
    assert process.returncode == 75
    assert len(read(tmp_path / "run.h5").frames) > 10
    times, sizes = np.array(times), np.array(sizes)
    late = times > WARM
    slope, start = np.polyfit(times[late] - WARM, sizes[late], 1)
    said = f"{start:.0f} MiB at the end of the warm-up, {start + slope * (1 - WARM):.0f} MiB at the end"
    print(said)
    assert slope * (1 - WARM) < 0.05 * start, said
