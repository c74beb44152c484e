"""Surfaces of a run of kind vesicle for ParaView: one .vtp a frame, with the fields, mean curvature and number of the
vesicle at the points, and a .pvd that ParaView opens as a series in time (s)."""

import argparse
import sys

from membrane import archive
from membrane.commands import drawing
from membrane.paths import path, picture_beside


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", metavar="ARCHIVE", type=path)
    parser.add_argument("-o", "--output", metavar="DIR", type=path, help="default: the archive's name with -surfaces")
    parser.add_argument("--endosome", metavar="N", type=int, default=0, help="counted from 0 (default 0)")
    options = parser.parse_args(arguments)

    def work():
        from membrane.figures.frame import VesicleFrame
        from membrane.figures.mesh import surface_mesh
        from membrane.figures.vtp import write_pvd, write_vtp

        folder = options.output or picture_beside(options.archive, "-surfaces")
        record = archive.read(options.archive)
        times = record.frames.frame_times_s
        if not len(times):
            raise ValueError(f"{options.archive} holds no frames; run with a cadence of frames to see the membrane")
        stem = picture_beside(options.archive, f"-{options.endosome}" if options.endosome else "").name
        table, files = folder / f"{stem}.pvd", [folder / f"{stem}-{index:06d}.vtp" for index in range(len(times))]
        drawing.free({file.name: file for file in (table, *files)}, [options.archive])
        for index, file in enumerate(files):
            write_vtp(file, surface_mesh(VesicleFrame(record, index, options.endosome)))
        return [write_pvd(table, times, files)]

    return drawing.ends_well(work)


if __name__ == "__main__":
    sys.exit(main())
