"""Outputs that are either whole or not there: written beside their place, then renamed."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sernet_edge.runtime.errors import SernetError


def check_outputs(paths: Iterable[Path], force: bool) -> None:
    """Refuse outputs that cannot be written, before any time is spent on them.

    Raises:
        SernetError: A folder is missing or cannot be written to, or a file exists and `force` is
            not given.
    """
    for path in paths:
        if not path.parent.is_dir():
            raise SernetError(f"the folder {path.parent} does not exist", hint="make it first")
        folder = Path(os.path.realpath(path)).parent  # where a link leads
        if not os.access(folder, os.W_OK):
            raise SernetError(f"cannot write to the folder {folder}", hint="name a file elsewhere")
        if path.exists() and not force:
            raise SernetError(f"{path} exists already", hint="name another file, or add --force")


def make_folder(path: Path) -> None:
    """Make a folder, and those it lies in, where it is not there yet.

    Raises:
        SernetError: It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SernetError(
            f"cannot make the folder {path}: {error.strerror}", hint="name a folder elsewhere"
        ) from error


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path to write to, renamed to `path` when the block succeeds.

    The temporary file lies in the same folder (a rename is atomic only within one
    file system) and keeps the suffix of `path`, for writers that go by it. If the block
    raises, the temporary file is removed and an earlier `path` stays as it was. Where `path`
    is a symbolic link, the file it leads to is replaced, and the link stays.

    Raises:
        SernetError: `path` is there and no regular file (a rename would put a file in the
            place of a device), its folder does not exist, or the file cannot be written;
            names `path`.
    """
    target = Path(os.path.realpath(path))
    temporary: Path | None = None
    try:
        if os.path.lexists(target) and not stat.S_ISREG(target.lstat().st_mode):
            kind = "a directory" if target.is_dir() else "not a regular file"
            raise SernetError(f"cannot write {path}: it is {kind}", "name another file")
        handle, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{target.stem}-", suffix=target.suffix
        )
        os.close(handle)
        temporary = Path(name)
        # mkstemp makes files that only their owner may read; outputs follow the umask.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        raise SernetError(
            f"cannot write {path}: {error.strerror or error}",
            hint="check that the folder exists, is writable and has space",
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8 with Unix line ends to `path`, whole or not at all."""
    write_bytes(path, readable(text).encode())


def readable(text: str) -> str:
    """Return `text` with `\ufffd` for what UTF-8 cannot hold.

    A file's name on Linux is bytes: Python stands those that are not UTF-8 for lone surrogates.
    """
    return re.sub("[\ud800-\udfff]", "\ufffd", text)
