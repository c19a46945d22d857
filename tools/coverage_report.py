"""Runs tests and shows which lines of the package's Python and C they reach.

python tools/coverage_report.py FOLDER tests/runtime tests/cli [-- OPTIONS OF PYTEST]

Python is measured by coverage.py, branches and the tests' own processes included. C is measured by
gcov, in what the tests compile for this computer with gcc: what only clang or another core's
compiler sees does not count. FOLDER keeps what was reached, so that a later run with other tests
adds to it; it gets python.txt and c.txt, which name the lines that no test reached.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("runtime", "train", "convert", "firmware_export", "sernet_edge")

Lines = dict[str, dict[int, int]]
"""How often each line of code was run, by a C file's name and the line's number."""


def main() -> None:
    """Run the tests and print both tables; exits as pytest does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("tests", nargs="+")
    options = parser.parse_args()
    folder = options.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    code = _run(folder, options.tests)
    c_lines = merged(_kept(folder / "c.json"), *_measured(folder / "tmp"))
    (folder / "c.json").write_text(json.dumps(c_lines))
    (folder / "c.txt").write_text(missing_lines(c_lines))
    print(python_table(_python(folder)), c_table(c_lines), sep="\n")
    sys.exit(code)


def _run(folder: Path, tests: list[str]) -> int:
    """Run the tests under coverage.py, with a gcc that counts lines."""
    compilers = folder / "bin"
    compilers.mkdir(exist_ok=True)
    for name in ("gcc", "g++"):
        compiler = compilers / name
        compiler.write_text(f'#!/bin/sh\nexec {shutil.which(name)} --coverage "$@"\n')
        compiler.chmod(0o755)
    sources = ",".join(str(ROOT / name) for name in PACKAGES)
    settings = folder / "settings"
    # Tests start the command line in processes of their own; some of them are killed.
    settings.write_text("[run]\npatch = subprocess\nsigterm = true\n")
    command = [sys.executable, "-m", "coverage", "run", f"--rcfile={settings}", "--branch"]
    command += ["--parallel-mode", f"--data-file={folder / 'data'}", f"--source={sources}"]
    command += ["-m", "pytest", "-q", f"--basetemp={folder / 'tmp'}"]
    # A program that may not write any file could not say what it reached.
    command += ["-k", "not full_disk", *tests]
    environment = os.environ | {"PATH": f"{compilers}:{os.environ['PATH']}"}
    return subprocess.run(command, cwd=ROOT, env=environment).returncode


def _python(folder: Path) -> dict[str, dict[str, int]]:
    """Return coverage.py's sums by file; write what is missing to python.txt."""
    data = f"--data-file={folder / 'data'}"
    coverage = [sys.executable, "-m", "coverage"]
    subprocess.run([*coverage, "combine", "-q", "--append", data], cwd=folder)
    out = folder / "python.json"
    subprocess.run([*coverage, "json", "-q", data, "-o", out], cwd=ROOT, check=True)
    report = [*coverage, "report", "-m", "--skip-covered", data]
    text = subprocess.run(report, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    (folder / "python.txt").write_text(text)
    files = json.loads(out.read_text())["files"]
    return {name: file["summary"] for name, file in files.items()}


def python_table(files: Mapping[str, Mapping[str, int]]) -> str:
    """Return lines and branches reached of each package."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    names = ("covered_lines", "num_statements", "covered_branches", "num_branches")
    for path, summary in files.items():
        for package in (path.partition("/")[0], "all"):
            sums[package] = [
                total + summary[name] for total, name in zip(sums[package], names, strict=True)
            ]
    rows = [f"{'Python':20}{'lines':>16}{'':8}{'branches':>12}"]
    for package in (*sorted(set(sums) - {"all"}), "all"):
        lines, statements, taken, branches = sums[package]
        rows.append(
            f"{package:20}{lines:7} of {statements:5} {_share(lines, statements)}"
            f"{taken:7} of {branches:5} {_share(taken, branches)}"
        )
    return "\n".join(rows)


def _measured(folder: Path) -> Iterator[Lines]:
    """Yield what gcov says of each object that was run."""
    for counts in sorted(folder.rglob("*.gcda")):
        done = subprocess.run(
            ["gcov", "--json-format", "--stdout", counts.name],
            cwd=counts.parent,
            capture_output=True,
            text=True,
        )
        for document in done.stdout.splitlines():
            yield {
                Path(file["file"]).name: {
                    line["line_number"]: line["count"] for line in file["lines"]
                }
                for file in json.loads(document)["files"]
            }


def _kept(path: Path) -> Lines:
    """Return what an earlier run kept."""
    if not path.exists():
        return {}
    kept = json.loads(path.read_text())
    return {name: {int(number): n for number, n in lines.items()} for name, lines in kept.items()}


def merged(*parts: Lines) -> Lines:
    """Return the sums of several counts; only of the files that are exported as they are."""
    own = {path.name for path in (ROOT / "firmware_export").rglob("*.[ch]")}
    sums: defaultdict[str, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
    for part in parts:
        for name, lines in part.items():
            for number, count in lines.items() if name in own else ():
                sums[name][number] += count
    return {name: dict(sums[name]) for name in sorted(sums)}


def c_table(files: Lines) -> str:
    """Return the lines reached of each C file."""
    rows = [f"{'C on this computer':28}{'lines':>16}"]
    reached = {name: sum(count > 0 for count in lines.values()) for name, lines in files.items()}
    for name, lines in files.items():
        rows.append(
            f"{name:28}{reached[name]:7} of {len(lines):5} {_share(reached[name], len(lines))}"
        )
    total, count = sum(reached.values()), sum(map(len, files.values()))
    return "\n".join([*rows, f"{'all':28}{total:7} of {count:5} {_share(total, count)}"])


def missing_lines(files: Lines) -> str:
    """Return the numbers of the lines that were not reached, a file a line."""
    rows = [
        f"{name}: {' '.join(str(number) for number in sorted(lines) if not lines[number])}"
        for name, lines in files.items()
        if not all(lines.values())
    ]
    return "\n".join([*rows, ""])


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:5.1f} %" if whole else f"{'':7}"


if __name__ == "__main__":
    main()
