"""Installs a wheel into an empty environment for each given Python, and uses it there.

python tools/try_wheel.py dist/*.whl --python python3.11 --python python3.12 [--extras all]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sernet_edge.runtime.errors import SernetError

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "docs" / "demo" / "two_moods.wav"


def try_wheel(wheel: Path, python: str, extras: str, folder: Path) -> str:
    """Install a wheel and listen to the sample; with extras, export, too; return a summary.

    Raises:
        SernetError: A step failed; names it and shows the end of its output.
    """
    _run([python, "-m", "venv", "empty"], folder)
    inside = folder / "empty" / "bin"
    target = f"{wheel}[{extras}]" if extras else str(wheel)
    _run([inside / "python", "-m", "pip", "install", "--quiet", target], folder)
    _run([inside / "python", "-m", "pip", "check"], folder)
    version = _run([inside / "sernet-edge", "--version"], folder).splitlines()[0]
    heard = _run([inside / "sernet-edge", "listen", "--input", SAMPLE, "--json"], folder)
    results = sum(json.loads(line)["type"] == "result" for line in heard.splitlines())
    if not results:
        raise SernetError(f"{python}: listening to {SAMPLE.name} gave no result")
    done = f"{python}, extras {extras or 'none'}: {version}; {results} results"
    if extras:
        model = "from sernet_edge.runtime.models import DEFAULT_MODEL; print(DEFAULT_MODEL)"
        shipped = _run([inside / "python", "-c", model], folder).strip()
        _run([inside / "sernet-edge", "export", shipped, "--out", "firmware"], folder)
        _run(["make", "-C", "firmware", "check"], folder)
        done += "; the exported firmware's self-test passed"
    return done


def _run(command: Sequence[object], folder: Path) -> str:
    words = list(map(str, command))
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        end = (done.stdout + done.stderr)[-2000:]
        raise SernetError(f"{' '.join(words)} failed with {done.returncode}:\n{end}")
    return done.stdout


def main() -> None:
    """Try the wheel with each Python; exit with 1 at the first failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--python", action="append", required=True, help="may be repeated")
    parser.add_argument("--extras", default="", help="separated by commas")
    options = parser.parse_args()
    try:
        for python in options.python:
            with tempfile.TemporaryDirectory() as folder:
                print(try_wheel(options.wheel.absolute(), python, options.extras, Path(folder)))
    except SernetError as error:
        print(f"tools/try_wheel.py: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
