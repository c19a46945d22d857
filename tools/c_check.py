"""Checks the C of an export with static analysers: python tools/c_check.py MODEL...

gcc and clang with -Wconversion and -Wsign-conversion, on every core whose compiler is installed,
gcc's analyser, cppcheck and clang-tidy. Exits with 1 if one of them finds something.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sernet_edge.firmware_export.bundle import bundle_files, write_files
from sernet_edge.firmware_export.cores import CORES
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.runtime.modelfile import ModelFile

_STRICT = (
    "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Werror",
)  # fmt: skip

_OPTIONS = ("-DSERNET_MEASURE_DRIFT",)
"""Parts of the library that are compiled only on request."""

# Right shifts of negative numbers are arithmetic in every supported compiler, and a test shows it.
# The plan bounds 32-bit products that serve as indices, shifts and divisors, which the analysers
# cannot know. `-Wconversion` checks conversions.
_CPPCHECK = (
    "cppcheck", "--std=c99", "--enable=warning,portability,performance", "--quiet",
    "--error-exitcode=1", "--suppress=shiftTooManyBitsSigned", "--inline-suppr",
)  # fmt: skip
_TIDY_CHECKS = (
    "-*,bugprone-*,clang-analyzer-*,misc-redundant-expression,performance-*,portability-*,"
    "-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier,"
    "-bugprone-implicit-widening-of-multiplication-result,-bugprone-signed-char-misuse,"
    "-bugprone-narrowing-conversions,-clang-analyzer-core.DivideZero,"
    "-clang-analyzer-core.UndefinedBinaryOperatorResult,"
    "-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling"
)


def commands(sources: list[Path], options: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each check's name and command; they run in the folder of the sources."""
    names = [path.name for path in sources]
    for compiler in ("gcc", "clang"):
        yield compiler, [compiler, *_STRICT, *options, "-fsyntax-only", *names]
    for core in CORES.values():
        if shutil.which(core.compiler[0]):
            compile_for = [*core.compiler, *core.flags, *_STRICT, *options]
            yield core.name, [*compile_for, "-fsyntax-only", *names]
        else:
            yield core.name, []
    for name in names:
        analyse = ["gcc", "-std=c99", "-O1", "-fanalyzer", "-Werror", *options, "-c", name]
        yield f"analyser, {name}", [*analyse, "-o", "/dev/null"]
    yield "cppcheck", [*_CPPCHECK, *options, "-I.", *names]
    tidy = ["clang-tidy", "--quiet", f"--checks={_TIDY_CHECKS}", "--warnings-as-errors=*"]
    for name in names:
        yield f"clang-tidy, {name}", [*tidy, name, "--", "-std=c99", *options, "-I."]


def check(model: Path) -> int:
    """Check one model's export; return how many checks report something."""
    found = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "c"
        planned = PlannedModel.read(ModelFile.read(model))
        write_files(bundle_files(planned), folder, False)
        # Files that contain only tables.
        tables = ("sernet_model.c", "sernet_golden")
        sources = sorted(p for p in (folder / "src").glob("*.c") if not p.name.startswith(tables))
        options = [*_OPTIONS, *(["-DSERNET_HEAD"] if planned.stream is None else [])]
        for name, command in commands(sources, options):
            if not command or not shutil.which(command[0]):
                print(f"{model.name}: NOT CHECKED: {name}: the program is not installed")
                continue
            done = subprocess.run(command, cwd=folder / "src", capture_output=True, text=True)
            if done.returncode:
                found += 1
                print(f"{model.name}: {name}\n{done.stdout}{done.stderr}")
            else:
                print(f"{model.name}: {name}: nothing found")
    return found


if __name__ == "__main__":
    sys.exit(sum(check(Path(name)) for name in sys.argv[1:]) > 0)
