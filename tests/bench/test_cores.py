"""Flash, RAM and instructions on the cores."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from bench_cases import Document, Shown
from cores import needs_m4, on_cores

from sernet_edge.bench.measure import (
    tflm_cores,
)
from sernet_edge.firmware_export.cores import CORES


@needs_m4
def test_flash_and_ram_match_the_linked_firmware(measured: Document) -> None:
    found = measured["models"][0]["cores"]["m4"]
    sections = found["sections"]
    assert found["flash_bytes"] == sum(sections.values()) - sections[".bss"]
    assert found["ram_bytes"] == sections[".bss"] + sections.get(".data", 0) + found["stack_bytes"]
    assert found["stack_bytes"] > 0


@needs_m4
def test_instructions_per_second_are_the_sum_over_its_hops(measured: Document) -> None:
    found = measured["models"][0]["cores"]["m4"]
    hop = found["hop"]
    assert hop["seconds"] == pytest.approx(8 * 0.016)
    assert found["per_second"] == pytest.approx((hop["features"] + hop["network"]) / hop["seconds"])
    # For such small layers the schedule is a large part of the work.
    assert 0.6 < sum(found["layers"]) / found["instructions"] < 1


@needs_m4
def test_bench_refuses_a_library_for_another_processor(
    bench: Shown, small: Path, tmp_path: Path
) -> None:
    (tmp_path / "lib.a").write_bytes(b"!<arch>\n")
    done = bench(small, "--tflm-include", tmp_path, "--tflm-library", tmp_path / "lib.a")
    assert done.returncode == 1 and "no Arm core" in done.stderr
    gone = bench(small, "--tflm-include", tmp_path, "--tflm-library", tmp_path / "none.a")
    assert gone.returncode == 1 and "none.a" in gone.stderr


@needs_m4
@pytest.mark.parametrize("name", on_cores(["m0plus", "m4", "m7", "m33", "m55"]))
def test_bench_reads_a_librarys_core_from_its_objects(name: str, tmp_path: Path) -> None:
    core = CORES[name]
    (tmp_path / "empty.c").write_text("float twice(float x) { return 2 * x; }\n")
    compiled, archive = tmp_path / "empty.o", tmp_path / "lib.a"
    subprocess.run(
        [*core.compiler, *core.flags, "-c", tmp_path / "empty.c", "-o", compiled], check=True
    )
    subprocess.run(["arm-none-eabi-ar", "rcs", archive, compiled], check=True)
    assert tflm_cores.library([tmp_path], archive).core is core
