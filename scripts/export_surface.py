"""Surfaces of a run of kind vesicle for ParaView: one .vtp a frame, with the fields, mean curvature and number of the
vesicle at the points, and a .pvd that ParaView opens as a series in time (s)."""

import argparse
import sys
from pathlib import Path

from membrane import archive
from membrane.mesh import surface_mesh
from membrane.vesicle_frame import VesicleFrame
from membrane.vtp import write_pvd, write_vtp


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", metavar="ARCHIVE", type=Path)
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, help="default: the archive's name with -surfaces")
    parser.add_argument("--endosome", metavar="N", type=int, default=0, help="counted from 0 (default 0)")
    options = parser.parse_args(arguments)
    folder = options.output or options.archive.with_name(options.archive.stem + "-surfaces")
    try:
        record = archive.read(options.archive)
        times, files = record.frames.frame_times_s, []
        if not len(times):
            raise ValueError(f"{options.archive} holds no frames; run with a cadence of frames to see the membrane")
        stem = options.archive.stem + (f"-{options.endosome}" if options.endosome else "")
        for index in range(len(times)):
            mesh = surface_mesh(VesicleFrame(record, index, options.endosome))
            files.append(write_vtp(folder / f"{stem}-{index:06d}.vtp", mesh))
        print(write_pvd(folder / f"{stem}.pvd", times, files))
    except (archive.ArchiveError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
