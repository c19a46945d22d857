"""Makes a release in dist/: wheel, sdist, C bundles of the shipped models, SBOM and checksums.

python tools/release.py --python .venv/bin/python --out dist [--draft]

The wheel is installed into an empty environment, which then exports the bundles. Each bundle is
unpacked, and its self-test is compiled and run without Python.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from wheel_contents import check_wheel

from sernet_edge import __version__
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import write_text

ROOT = Path(__file__).parents[1]

_SINCE_1980 = (1980, 1, 1, 0, 0, 0)
"""Timestamp of every file in a zip, so that two releases of one commit are equal."""


def check_changelog(text: str, version: str, draft: bool) -> None:
    """Check that the newest heading is `## VERSION (YYYY-MM-DD)`; drafts need no date.

    Raises:
        SernetError: The heading is different.
    """
    heading = re.search(r"^## (\S+) \((.*)\)$", text, re.MULTILINE)
    newest = heading[1] if heading else "nothing"
    if heading is None or newest != version:
        raise SernetError(
            f"CHANGELOG.md: the newest version is {newest}, the package's is {version}",
            hint=f"begin the changelog with ## {version} (YYYY-MM-DD)",
        )
    if not draft and not re.fullmatch(r"\d{4}-\d\d-\d\d", heading[2]):
        raise SernetError(
            f"CHANGELOG.md: {version} has no date but ({heading[2]})",
            hint="write the day of the release there, or make a draft: make release DRAFT=1",
        )


def check_committed() -> None:
    """Check that no file differs from the commit.

    Raises:
        SernetError: A file differs.
    """
    changed = _output(["git", "status", "--porcelain", "--untracked-files=no"])
    if changed:
        raise SernetError(
            f"files differ from the commit: {', '.join(changed.split()[1::2])}",
            hint="commit them, or make a draft: make release DRAFT=1",
        )


def empty(out: Path) -> None:
    """Make the release's folder, or remove the files of an earlier release from it.

    Raises:
        SernetError: It contains other files.
    """
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(out.iterdir()):
        if not path.name.startswith("sernet_edge-") and path.name != "SHA256SUMS":
            raise SernetError(f"{path} is not of a release", hint="name another folder")
    for path in out.iterdir():
        path.unlink()


def build(out: Path) -> tuple[Path, Path]:
    """Build the wheel and the sdist of the commit, check them, and return their paths."""
    environment = os.environ | {"SOURCE_DATE_EPOCH": _output(["git", "log", "-1", "--format=%ct"])}
    _run([sys.executable, "-m", "build", "--outdir", out, ROOT], environment)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    _run([sys.executable, "-m", "twine", "check", "--strict", wheel, sdist])
    _run([Path(sys.executable).with_name("check-wheel-contents"), wheel])
    check_wheel(wheel, ROOT)
    return wheel, sdist


def install(wheel: Path, python: Path, folder: Path) -> Path:
    """Install the wheel with the packages for export into an empty environment."""
    _run([python, "-m", "venv", folder])
    inside = folder / "bin" / "python"
    _run([inside, "-m", "pip", "install", "--quiet", f"{wheel}[firmware]"])
    return inside


def bundle(model: Path, python: Path, out: Path) -> Path:
    """Export a model as C99, check that the result works without Python, and return its zip."""
    name = f"sernet_edge-{__version__}-{model.stem}-c"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / name
        _run([python, "-m", "sernet_edge", "export", model, "--out", folder], cwd=temporary)
        archive = out / f"{name}.zip"
        _zip(folder, archive)
        with zipfile.ZipFile(archive) as file:
            file.extractall(Path(temporary) / "unpacked")
        unpacked = Path(temporary) / "unpacked" / name
        environment = {"PATH": str(_without_python(Path(temporary)))}
        _run(["make", "check"], environment, cwd=unpacked)
    return archive


def bill_of_materials(python: Path, out: Path) -> Path:
    """Write a list of the base install's packages in CycloneDX format; return the file."""
    target = out / f"sernet_edge-{__version__}-sbom.cdx.json"
    program = Path(sys.executable).with_name("cyclonedx-py")
    options = ["--pyproject", ROOT / "pyproject.toml", "--output-reproducible", "--validate"]
    _run([program, "environment", *options, "--of", "JSON", "-o", target, python])
    return target


def checksums(files: Sequence[Path], out: Path) -> None:
    """Write SHA256SUMS, which `sha256sum --check` reads."""
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    write_text(out / "SHA256SUMS", "".join(lines))


def _zip(folder: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(str(path.relative_to(folder.parent)), _SINCE_1980)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            file.writestr(entry, path.read_bytes())


def _without_python(folder: Path) -> Path:
    """Return a folder with the programs for compiling C, and without Python."""
    programs = folder / "programs"
    programs.mkdir()
    for name in ("make", "gcc", "cc", "ld", "as", "ar", "sh", "rm", "mkdir", "uname", "cmp"):
        found = shutil.which(name)
        if found:
            (programs / name).symlink_to(found)
    return programs


def _run(
    command: Sequence[object], environment: dict[str, str] | None = None, cwd: object = None
) -> None:
    done = subprocess.run(list(map(str, command)), env=environment, cwd=cwd)  # type: ignore[call-overload]
    if done.returncode:
        raise SernetError(f"failed with {done.returncode}: {' '.join(map(str, command))}")


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main() -> None:
    """Make the release; exit with 1 if a check fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="to install with")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder of the release")
    parser.add_argument(
        "--draft", action="store_true", help="allow a changelog without a date, and changed files"
    )
    options = parser.parse_args()
    try:
        check_changelog((ROOT / "CHANGELOG.md").read_text("utf-8"), __version__, options.draft)
        if not options.draft:
            check_committed()
        empty(options.out)
        wheel, sdist = build(options.out.absolute())
        with tempfile.TemporaryDirectory() as temporary:
            python = install(wheel, options.python.absolute(), Path(temporary) / "empty")
            models = sorted((ROOT / "runtime" / "models").glob("*.tflite"))
            bundles = [bundle(model, python, options.out.absolute()) for model in models]
            bill = bill_of_materials(python, options.out.absolute())
        checksums([wheel, sdist, *bundles, bill], options.out)
    except SernetError as error:
        print(f"tools/release.py: {error}", file=sys.stderr)
        sys.exit(1)
    print(f"{options.out}: {', '.join(sorted(path.name for path in options.out.iterdir()))}")


if __name__ == "__main__":
    main()
