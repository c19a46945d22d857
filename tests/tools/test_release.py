"""The release checks refuse a wrong release."""

from __future__ import annotations

import hashlib
import re
import subprocess
import zipfile
from pathlib import Path

import pytest
import release
import wheel_contents

from sernet_edge.runtime.errors import SernetError

CHANGELOG = "# Changelog\n\n## 1.2.0 (2031-05-04)\n\n- New.\n\n## 1.1.0 (2030-01-01)\n"


def test_release_accepts_a_changelog_with_a_dated_newest_version() -> None:
    release.check_changelog(CHANGELOG, "1.2.0", draft=False)


@pytest.mark.parametrize(
    ("text", "version", "told"),
    [
        (CHANGELOG, "1.3.0", "the newest version is 1.2.0, the package's is 1.3.0"),
        ("# Changelog\n", "1.2.0", "the newest version is nothing"),
        (CHANGELOG.replace("2031-05-04", "unreleased"), "1.2.0", "no date but (unreleased)"),
    ],
)
def test_release_refuses_a_changelog_without_the_version(
    text: str, version: str, told: str
) -> None:
    with pytest.raises(SernetError, match=re.escape(told)):
        release.check_changelog(text, version, draft=False)


def test_a_draft_needs_no_date() -> None:
    release.check_changelog(CHANGELOG.replace("2031-05-04", "unreleased"), "1.2.0", draft=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a package, a folder that is not a package, and an untracked file."""
    for name in ("code/a.py", "code/page/p.css", "docs/d.md", "code/stray.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "pyproject.toml").write_text('[tool.setuptools.package-dir]\n"top.code" = "code"\n')
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "code/a.py", "code/page", "docs"], cwd=tmp_path, check=True)
    return tmp_path


def _wheel(folder: Path, *names: str) -> Path:
    path = folder / "top.whl"
    with zipfile.ZipFile(path, "w") as file:
        for name in (*names, "top-1.dist-info/METADATA"):
            file.writestr(name, "")
    return path


def test_a_wheel_holds_only_the_tracked_files_of_its_packages(repository: Path) -> None:
    code, page = "top/code/a.py", "top/code/page/p.css"
    wheel_contents.check_wheel(_wheel(repository, code, page), repository)
    with pytest.raises(SernetError, match="lacks top/code/page/p.css"):
        wheel_contents.check_wheel(_wheel(repository, code), repository)
    with pytest.raises(SernetError, match="holds top/code/stray.txt"):
        wheel_contents.check_wheel(_wheel(repository, code, page, "top/code/stray.txt"), repository)


def test_sha256sum_accepts_the_checksums(tmp_path: Path) -> None:
    files = [tmp_path / "a.whl", tmp_path / "b.zip"]
    for file in files:
        file.write_bytes(hashlib.sha256(file.name.encode()).digest())
    release.checksums(files, tmp_path)
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    assert subprocess.run(check, cwd=tmp_path, capture_output=True).returncode == 0
    files[0].write_bytes(b"changed")
    assert subprocess.run(check, cwd=tmp_path, capture_output=True).returncode == 1


def test_release_does_not_empty_a_folder_with_other_files(tmp_path: Path) -> None:
    for name in ("sernet_edge-1.0.tar.gz", "SHA256SUMS"):
        (tmp_path / name).write_text("")
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(SernetError, match="thesis.tex is not of a release"):
        release.empty(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    (tmp_path / "thesis.tex").unlink()
    release.empty(tmp_path)
    assert list(tmp_path.iterdir()) == []
