"""Rearranges a bundle into what an ecosystem expects: its folders and its build files.

A layout is a folder of templates in layouts/, laid out as in the bundle. In them `@VERSION@` is
the bundle's version, and a line with `@SOURCE@` is repeated for each file to compile, one with
`@GOLDEN@` for each file of golden vectors. Lines that begin with `@AUDIO ` are for bundles that
take audio, those with `@ROWS ` for bundles of a network alone. The sources stay in src/
everywhere: that is where all of these ecosystems look.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

from sernet_edge import __version__

COMPILED = (".c", ".S", ".cc")
"""Suffixes of what is compiled; the rest of src/ are headers."""

_README_BUILD = re.compile(r"^## Try it on this computer\n\n(?: {4}.*\n)+", re.MULTILINE)


def _same(path: str) -> str:
    return path


def _programs_in_extras(path: str) -> str:
    """Programs for a computer where `examples/` or `samples/` is for the ecosystem's own."""
    return path.replace("examples/", "extras/", 1)


def _arduino(path: str) -> str:
    """A sketch is a folder whose sources are all compiled with it."""
    if PurePosixPath(path).name.startswith("sernet_golden"):
        return path.replace("examples/", "examples/SelfTest/", 1)
    return _programs_in_extras(path)


# Layout -> where a path of the plain bundle goes.
_PLACES: dict[str, Callable[[str], str]] = {
    "plain": _same,
    "cmake": _same,
    "arduino": _arduino,
    "platformio": _programs_in_extras,
    "esp-idf": _programs_in_extras,
    "zephyr": _programs_in_extras,
}

LAYOUTS = tuple(_PLACES)

# Programs that take audio.
_AUDIO_EXAMPLES = re.compile(r"(examples|samples)/(Emotions|BoardTest|listen)/")
_KIND = re.compile(r"@(AUDIO|ROWS) ?(.*)", re.DOTALL)


def arrange(layout: str, bundle: Mapping[str, str], version: str = __version__) -> dict[str, str]:
    """Return a bundle in another layout.

    Args:
        layout: One of `LAYOUTS`.
        bundle: The plain bundle: text by path. Sources and headers are in src/, programs for a
            computer in examples/.
        version: Of the bundle, as the manifests say it.

    Returns:
        Text by path. Same arguments, same result.
    """
    if layout == "plain":
        return dict(bundle)
    place = _PLACES[layout]
    files = {
        place(path): text
        for path, text in bundle.items()
        if path != "Makefile" and not path.startswith("qemu/")  # which the Makefile builds
    }
    build = filled(layout, list(bundle), version)
    build["README.md"] = _readme(bundle["README.md"], build["README.md"])
    return files | build


def filled(layout: str, paths: Iterable[str], version: str = __version__) -> dict[str, str]:
    """Return a layout's templates, filled in, by their paths in the bundle.

    Args:
        layout: The name of a folder in layouts/.
        paths: Of the bundle's files.
        version: Of the bundle.
    """
    paths = list(paths)
    sources = sorted(p for p in paths if p.startswith("src/") and p.endswith(COMPILED))
    golden = sorted(PurePosixPath(path).name for path in paths if "sernet_golden" in path)
    kind = "AUDIO" if "src/sernet_frontend.c" in paths else "ROWS"
    filled_in = {}
    for path, template in _templates(layout).items():
        if kind == "ROWS" and _AUDIO_EXAMPLES.match(path):
            continue
        text = of_kind(template.replace("@VERSION@", version), kind)
        for placeholder, files in (("@SOURCE@", sources), ("@GOLDEN@", golden)):
            text = _repeated(text, placeholder, files)
        filled_in[path] = text
    return filled_in


def of_kind(template: str, kind: str) -> str:
    """Return a template with the lines for one kind of bundle.

    Args:
        template: See above.
        kind: "AUDIO" or "ROWS".
    """
    lines = []
    for line in template.splitlines(keepends=True):
        marked = _KIND.fullmatch(line)
        if marked is None:
            lines.append(line)
        elif marked[1] == kind:
            lines.append(marked[2])
    return "".join(lines)


def _readme(plain: str, how: str) -> str:
    """Return the README with `how` in place of its section on make."""
    text, found = _README_BUILD.subn(lambda _: f"## Try it\n\n{how}", plain)
    if found != 1:
        raise ValueError("the bundle's README has no section on how to try it")
    return text


def _repeated(text: str, placeholder: str, files: list[str]) -> str:
    """Return a text whose lines with a placeholder are there for each of some files."""
    lines = []
    for line in text.splitlines(keepends=True):
        found = files if placeholder in line else [""]
        lines += [line.replace(placeholder, file) for file in found]
    return "".join(lines)


def _templates(layout: str) -> dict[str, str]:
    """Return the layout's templates by their paths in the bundle."""
    found: dict[str, str] = {}

    def collect(folder: Traversable, prefix: str) -> None:
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if entry.is_dir():
                collect(entry, f"{prefix}{entry.name}/")
            else:
                found[prefix + entry.name] = entry.read_text(encoding="utf-8")

    collect(resources.files(__package__) / "layouts" / layout, "")
    return found
