"""Writes docs/design/dependencies.md from pyproject.toml: each dependency and its reason.

python tools/dependencies.py --out docs/design/dependencies.md
"""

from __future__ import annotations

import argparse
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from sernet_edge.runtime.files import write_text

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"

_HEAD = """\
# Dependencies

<!-- Made by python tools/dependencies.py from pyproject.toml; do not edit. -->

Every package that `pip install sernet-edge` and its extras install, and its reason. Python 3.11 to
3.13 are supported: TensorFlow has no wheel for 3.14 yet. In the base install only tflite-runtime is
limited to 3.11; for later versions `pip` installs ai-edge-litert instead.
"""

_BASE = """
## Base install

`pip install sernet-edge`: `listen`, `teach`, `doctor` and `service`.
"""


@dataclass(frozen=True)
class Dependency:
    """A requirement in pyproject.toml.

    Attributes:
        extra: The extra that installs it; "" for the base install.
        requirement: pip's form, such as `numpy>=1.24,<2; python_version < '3.12'`.
        reason: The comment above it; "" if there is none.
    """

    extra: str
    requirement: str
    reason: str


def dependencies(text: str) -> list[Dependency]:
    """Return the requirements of a pyproject.toml in order, with the comments above them."""
    project = tomllib.loads(text)["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    known = {requirement for group in groups.values() for requirement in group}
    found: list[Dependency] = []
    extra, comment = "", list[str]()
    for line in map(str.strip, text.splitlines()):
        opened = re.fullmatch(r"([\w-]+) = \[", line)
        quoted = re.fullmatch(r'"(.*)",', line)
        if opened and opened[1] in groups:
            extra = opened[1]
        if line.startswith("# "):
            comment.append(line[2:])
        elif quoted and quoted[1] in known:
            found.append(Dependency(extra, quoted[1], " ".join(comment)))
            comment = []
        else:
            comment = []
    return found


def page(found: list[Dependency]) -> str:
    """Return the page, in Markdown."""
    text = _HEAD
    for extra in dict.fromkeys(dependency.extra for dependency in found):
        title = f"\n## Extra `{extra}`\n\n`pip install 'sernet-edge[{extra}]'`\n"
        text += (title if extra else _BASE) + "\n| package | versions | why |\n|---|---|---|\n"
        text += "".join(_row(dependency) for dependency in found if dependency.extra == extra)
    return text


def _row(dependency: Dependency) -> str:
    requirement, _, condition = dependency.requirement.partition("; ")
    parts = re.fullmatch(r"([\w.-]+(?:\[[\w,-]+\])?)(.*)", requirement)
    assert parts, requirement
    versions = f"`{parts[2]}`" if parts[2] else "any"
    where = f" if `{condition}`" if condition else ""
    return f"| {parts[1]} | {versions}{where} | {dependency.reason} |\n"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the page")
    out = parser.parse_args().out
    write_text(out, page(dependencies(PYPROJECT.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
