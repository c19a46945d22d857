"""Writes outputs whole or not at all: to a temporary file, which is then renamed."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sernet_edge.runtime.errors import SernetError


def check_outputs(paths: Iterable[Path], force: bool) -> None:
    """Check that outputs can be written, before time is spent on computing them.

    Raises:
        SernetError: A folder is missing or not writable, or a file exists and `force` is not
            given.
    """
    for path in paths:
        if not path.parent.is_dir():
            raise SernetError(f"the folder {path.parent} does not exist", hint="make it first")
        folder = Path(os.path.realpath(path)).parent  # the target's folder, if it is a link
        if not os.access(folder, os.W_OK):
            raise SernetError(f"cannot write to the folder {folder}", hint="name a file elsewhere")
        if path.exists() and not force:
            raise SernetError(f"{path} exists already", hint="name another file, or add --force")


def make_folder(path: Path) -> None:
    """Make a folder and its missing parents.

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
def replacing(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield a temporary path to write to; rename it to `path` when the block succeeds.

    The temporary file is in the same folder, since a rename is atomic only within one file
    system, and has the suffix of `path`, which some writers need. If the block raises, the
    temporary file is removed and an earlier `path` stays as it was. If `path` is a symbolic link,
    its target is replaced and the link stays.

    Raises:
        SernetError: `path` exists and is not a regular file (a rename would replace a device by a
            file), its folder does not exist, or the file cannot be written; names `path`.
    """
    # Strings: from Python 3.12 on, pathlib interns the parts of every path, and a program that
    # writes new names for weeks would grow.
    target = os.path.realpath(path)
    temporary: str | None = None
    try:
        if os.path.lexists(target) and not stat.S_ISREG(os.lstat(target).st_mode):
            kind = "a directory" if os.path.isdir(target) else "not a regular file"
            raise SernetError(f"cannot write {path}: it is {kind}", "name another file")
        stem, suffix = os.path.splitext(os.path.basename(target))
        handle, temporary = tempfile.mkstemp(
            dir=os.path.dirname(target), prefix=f".{stem}-", suffix=suffix
        )
        os.close(handle)
        # mkstemp makes files that only their owner can read; outputs follow the umask instead.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        raise SernetError(
            f"cannot write {path}: {error.strerror or error}",
            hint="check that the folder exists, is writable and has space",
        ) from error
    finally:
        if temporary is not None:
            remove(temporary)


def remove(path: str) -> None:
    """Remove a file, unless it is gone already.

    Raises:
        OSError: It cannot be removed.
    """
    with suppress(FileNotFoundError):
        os.unlink(path)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8 with Unix line ends to `path`, whole or not at all."""
    write_bytes(path, readable(text).encode())


def readable(text: str) -> str:
    """Return `text` with `\ufffd` for characters that UTF-8 cannot encode.

    A file name on Linux is bytes. Python represents bytes that are not UTF-8 by lone surrogates.
    """
    return re.sub("[\ud800-\udfff]", "\ufffd", text)
