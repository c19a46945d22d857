"""Runs tests and shows which lines of the package's Python and C they execute.

python tools/coverage_report.py FOLDER tests/runtime tests/cli [-- OPTIONS OF PYTEST]

coverage.py measures Python, with branches and the tests' own processes. gcov measures C, in what
the tests compile with gcc for this computer: code for clang or for another core does not count.
FOLDER stores the counts, so that a later run with other tests adds to them. It also gets python.txt
and c.txt, which list the lines that no test executed.
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
"""How often each line of code was executed, by a C file's name and the line's number."""


def main() -> None:
    """Run the tests and print both tables; exit as pytest does."""
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
    """Run the tests under coverage.py, with a gcc that counts executed lines."""
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
    # The tests of a full disk forbid all writes, so their processes could not store counts.
    command += ["-k", "not full_disk", *tests]
    environment = os.environ | {"PATH": f"{compilers}:{os.environ['PATH']}"}
    return subprocess.run(command, cwd=ROOT, env=environment).returncode


def _python(folder: Path) -> dict[str, dict[str, int]]:
    """Return coverage.py's sums by file; write the missing lines to python.txt."""
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
    """Return the executed lines and branches of each package."""
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
    """Yield gcov's counts for each object that was executed."""
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
    """Return the stored counts of an earlier run."""
    if not path.exists():
        return {}
    kept = json.loads(path.read_text())
    return {name: {int(number): n for number, n in lines.items()} for name, lines in kept.items()}


def merged(*parts: Lines) -> Lines:
    """Return the sums of several counts, only of files that every export contains unchanged."""
    own = {path.name for path in (ROOT / "firmware_export").rglob("*.[ch]")}
    sums: defaultdict[str, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
    for part in parts:
        for name, lines in part.items():
            for number, count in lines.items() if name in own else ():
                sums[name][number] += count
    return {name: dict(sums[name]) for name in sorted(sums)}


def c_table(files: Lines) -> str:
    """Return the executed lines of each C file."""
    rows = [f"{'C on this computer':28}{'lines':>16}"]
    reached = {name: sum(count > 0 for count in lines.values()) for name, lines in files.items()}
    for name, lines in files.items():
        rows.append(
            f"{name:28}{reached[name]:7} of {len(lines):5} {_share(reached[name], len(lines))}"
        )
    total, count = sum(reached.values()), sum(map(len, files.values()))
    return "\n".join([*rows, f"{'all':28}{total:7} of {count:5} {_share(total, count)}"])


def missing_lines(files: Lines) -> str:
    """Return the numbers of the lines that were not executed, a line for each file."""
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
