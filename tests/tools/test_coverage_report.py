"""tools/coverage_report.py combines the counts of coverage.py and gcov."""

from __future__ import annotations

import subprocess
from pathlib import Path

import coverage_report

PROGRAM = """
int twice(int x) {
    return 2 * x;
}
int thrice(int x) {
    return 3 * x;
}
int main(void) {
    return twice(0);
}
"""


def test_the_report_names_lines_of_c_that_no_program_ran(tmp_path: Path) -> None:
    (tmp_path / "sernet_decide.c").write_text(PROGRAM)  # the name of an exported file
    command = ["gcc", "--coverage", "sernet_decide.c", "-o", "program"]
    subprocess.run(command, cwd=tmp_path, check=True)
    subprocess.run([tmp_path / "program"], check=True)
    lines = coverage_report.merged(*coverage_report._measured(tmp_path))
    assert coverage_report.missing_lines(lines) == "sernet_decide.c: 5 6\n"
    assert "sernet_decide.c                   4 of     6  66.7 %" in coverage_report.c_table(lines)


def test_the_report_adds_runs_and_ignores_other_files() -> None:
    one = {"sernet.c": {3: 0, 4: 1}, "test.c": {1: 1}}
    two = {"sernet.c": {3: 2, 4: 0}}
    assert coverage_report.merged(one, two) == {"sernet.c": {3: 2, 4: 1}}


def test_the_report_sums_packages() -> None:
    def summary(lines: int, branches: int) -> dict[str, int]:
        return {
            "covered_lines": lines,
            "num_statements": 10,
            "covered_branches": branches,
            "num_branches": 4,
        }

    files = {
        "runtime/a.py": summary(10, 4),
        "runtime/b.py": summary(5, 1),
        "train/c.py": summary(0, 0),
    }
    rows = [" ".join(row.split()) for row in coverage_report.python_table(files).splitlines()]
    assert rows[1:] == [
        "runtime 15 of 20 75.0 % 5 of 8 62.5 %",
        "train 0 of 10 0.0 % 0 of 4 0.0 %",
        "all 15 of 30 50.0 % 5 of 12 41.7 %",
    ]
