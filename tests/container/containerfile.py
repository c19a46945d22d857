"""Reads the stages and instructions of a Containerfile."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

_KNOWN = {
    *("FROM", "RUN", "COPY", "ENV", "WORKDIR", "USER"),
    *("LABEL", "VOLUME", "EXPOSE", "ENTRYPOINT", "CMD"),
}


@dataclass
class Stage:
    """A stage: its base image, its name, and its instructions in order."""

    base: str
    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def last(self, name: str) -> str:
        """Return an instruction's argument; if the instruction is repeated, the last one counts."""
        return [argument for its, argument in self.instructions if its == name][-1]


def stages(text: str) -> list[Stage]:
    """Return the stages of a Containerfile.

    Raises:
        ValueError: This module does not know an instruction.
    """
    without_comments = "\n".join(
        line for line in text.splitlines() if not line.lstrip().startswith("#")
    )
    found: list[Stage] = []
    for line in without_comments.replace("\\\n", " ").splitlines():
        name, _, argument = line.strip().partition(" ")
        argument = re.sub(r"\s+", " ", argument).strip()
        if not name:
            continue
        if name not in _KNOWN:
            raise ValueError(f"{name} is not known here")
        if name == "FROM":
            base, _, stage = argument.partition(" AS ")
            found.append(Stage(base, stage))
        else:
            found[-1].instructions.append((name, argument))
    return found


def is_sent(path: Path, ignore: str) -> bool:
    """Return whether the build may copy a file of the repository.

    Args:
        path: Relative to the repository.
        ignore: The text of `.dockerignore`: the last pattern that matches decides. Patterns are
            names at the top, or `**/` and a name at any depth.
    """
    sent = True
    for pattern in ignore.splitlines():
        if not pattern or pattern.startswith("#"):
            continue
        name = pattern.removeprefix("!")
        places = path.parts if name.startswith("**/") else path.parts[:1]
        if any(fnmatch(place, name.removeprefix("**/")) for place in places):
            sent = pattern.startswith("!")
    return sent
