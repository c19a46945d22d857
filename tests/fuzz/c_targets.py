"""Builds a model's fuzz targets in C with clang's sanitizers: c_targets.py MODEL OUT

Each program in OUT accepts libFuzzer's options and folders of inputs.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from sernet_edge.firmware_export.bundle import bundle_files, write_files
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.runtime.modelfile import ModelFile

TARGETS = ("api", "serial", "head")

_FLAGS = (
    "-std=c99", "-g", "-O1", "-fsanitize=fuzzer-no-link,address,undefined",
    "-fno-sanitize-recover=all", "-DSERNET_HEAD", "-DSERNET_DECIDE", "-DSERNET_MEASURE_DRIFT",
)  # fmt: skip


def build(model: Path, out: Path) -> None:
    """Write one program for each target, under the target's name."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_files(bundle_files(PlannedModel.read(ModelFile.read(model))), folder / "c", False)
        src = folder / "c" / "src"
        sources = [path for path in src.glob("*.c") if "golden" not in path.name]
        flags = [*_FLAGS, f"-I{src}"]
        subprocess.run(["clang", *flags, "-c", *map(str, sources)], cwd=folder, check=True)
        engine = [str(path) for path in folder.glob("*.o")]
        for target in TARGETS:
            source = Path(__file__).parent / "c" / f"fuzz_{target}.c"
            link = ["-fsanitize=fuzzer", "-o", str(out / target)]
            subprocess.run(["clang", *flags, str(source), *engine, *link, "-lm"], check=True)


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]))
