"""Fetches the wheels for an install on another machine, and never builds one.

pip can choose wheels for another machine, but it evaluates the markers in pyproject.toml
(`python_version < '3.12'`) for the machine that it runs on. This program evaluates them for the
other machine.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

_PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"

_PIP = [sys.executable, "-m", "pip"]

# Wheels for these versions of glibc run on Debian 12, which has 2.36.
_GLIBC_MINORS = range(36, 16, -1)


def main() -> None:
    """Fetch the wheels and list them; exit with 1 if one does not exist."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("machine", choices=["aarch64", "armv7l"])
    parser.add_argument("python", choices=["3.11", "3.12", "3.13"])
    parser.add_argument("folder", type=Path, help="where the wheels go")
    parser.add_argument("extras", nargs="*", help="of pyproject.toml, beside the base install")
    parser.add_argument(
        "--from-debian",
        nargs="+",
        default=[],
        metavar="NAME",
        help="packages to leave out; what needs other packages must then name them itself",
    )
    parser.add_argument(
        "--build",
        nargs="+",
        default=[],
        metavar="NAME",
        help="packages that come as source only and are pure Python: made into wheels here",
    )
    arguments = parser.parse_args()
    requirements = sorted(
        {
            requirement
            for group in (None, *arguments.extras)
            for requirement in _needed(group, arguments.machine, arguments.python)
            if Requirement(requirement).name not in arguments.from_debian
        }
    )
    arguments.folder.mkdir(parents=True, exist_ok=True)
    to_folder = ["--quiet", "--find-links", str(arguments.folder)]
    made = [text for text in requirements if Requirement(text).name in arguments.build]
    if made:
        build = [*_PIP, "wheel", "--no-deps", "--wheel-dir", str(arguments.folder)]
        subprocess.run([*build, *to_folder, *made], check=True)
    # The wheel tags that pip accepts there, newest first.
    platforms = [f"manylinux_2_{minor}_{arguments.machine}" for minor in _GLIBC_MINORS]
    platforms.append(f"manylinux2014_{arguments.machine}")
    command = [*_PIP, "download", *to_folder, "--only-binary=:all:"]
    command += ["--python-version", arguments.python, "--implementation", "cp"]
    command += [f"--platform={platform}" for platform in platforms]
    # Without dependencies if Debian has some of them.
    command += ["--no-deps"] if arguments.from_debian else []
    done = subprocess.run([*command, "--dest", str(arguments.folder), *requirements])
    if done.returncode:
        sys.exit(f"no wheels for {arguments.machine}, Python {arguments.python}")
    wheels = sorted(arguments.folder.glob("*.whl"))
    size_mb = sum(wheel.stat().st_size for wheel in wheels) / 1e6
    print(f"{arguments.machine}, Python {arguments.python}: {size_mb:.0f} MB of wheels")
    for wheel in wheels:
        name, version, *_, tag = wheel.stem.split("-")
        print(f"    {name} {version}  {tag}")


def _needed(extra: str | None, machine: str, python: str) -> Iterator[str]:
    """Yield the requirements of an extra or the base install that apply to the other machine."""
    project = tomllib.loads(_PYPROJECT.read_text())["project"]
    there = {"platform_machine": machine, "python_version": python, "sys_platform": "linux"}
    texts = project["optional-dependencies"][extra] if extra else project["dependencies"]
    for text in texts:
        requirement = Requirement(text)
        if requirement.name == project["name"]:
            for other in requirement.extras:
                yield from _needed(other, machine, python)
        elif requirement.marker is None or requirement.marker.evaluate(there):
            requirement.marker = None
            yield str(requirement)


if __name__ == "__main__":
    main()
