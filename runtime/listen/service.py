"""`sernet-edge service`: listening as a service of systemd."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import Path

import click

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import write_text
from sernet_edge.runtime.listen.config import SYSTEM_FILE

UNIT_FILE = Path("/etc/systemd/system/sernet-edge.service")

_TEMPLATE = Path(__file__).with_name("sernet-edge.service")

# Folders that ProtectHome=yes and PrivateTmp=yes hide; systemd.exec(5).
_HOMES: tuple[str, ...] = ("/home", "/root", "/run/user")
_TEMPORARY = ("/tmp", "/var/tmp")

_STATE_FOLDER = "/var/lib/sernet-edge"

_FIRST_CONFIG = """\
# What the service listens to and where its results go: the options of `sernet-edge listen`, by
# their names. docs/guides/configuration.md and `sernet-edge listen --help` list them.
# After a change: systemctl restart sernet-edge
[listen]
# device = "USB"
"""


@click.group()
def service() -> None:
    """Listen as a service of systemd, from boot on."""


@service.command("print")
def print_unit() -> None:
    """Print the unit that `install` writes."""
    click.echo(unit(), nl=False)


@service.command()
def install() -> None:
    """Write the unit and a first configuration file, and start the service."""
    text = unit()
    _need_root("install")
    _check_interpreter()
    _check_paths()
    write_text(UNIT_FILE, text)
    click.echo(f"wrote {UNIT_FILE}")
    if not SYSTEM_FILE.exists():
        SYSTEM_FILE.parent.mkdir(exist_ok=True)
        write_text(SYSTEM_FILE, _FIRST_CONFIG)
        SYSTEM_FILE.chmod(0o644)  # readable for the service's user, which does not exist yet
        click.echo(f"wrote {SYSTEM_FILE}: say there what to listen to")
    _systemctl("daemon-reload")
    _systemctl("enable", "sernet-edge")
    _systemctl("restart", "sernet-edge")


@service.command()
def uninstall() -> None:
    """Stop the service and remove its unit; the configuration stays."""
    _need_root("uninstall")
    if not UNIT_FILE.exists():
        raise SernetError(f"the service is not installed: there is no {UNIT_FILE}")
    _systemctl("disable", "--now", "sernet-edge")
    UNIT_FILE.unlink()
    _systemctl("daemon-reload")
    click.echo(f"removed {UNIT_FILE}; {SYSTEM_FILE.parent} and {_STATE_FOLDER} stay")


def unit() -> str:
    """Return the text of the unit for this installation."""
    text = _TEMPLATE.read_text(encoding="utf-8")
    for name, path in (("@PYTHON@", sys.executable), ("@CONFIG@", SYSTEM_FILE)):
        text = text.replace(name, _quoted(str(path)))
    return text


def _quoted(argument: str) -> str:
    """Quote an argument of ExecStart=, as in systemd.service(5)."""
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"')
    escaped = escaped.replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if set(escaped) & set(" \t'\"\\;") else escaped


def _need_root(verb: str) -> None:
    if os.geteuid() != 0:
        raise SernetError(
            f"`sernet-edge service {verb}` changes {UNIT_FILE}, which takes root's rights",
            f"sudo {sys.executable} -m sernet_edge service {verb}; `service print` needs none",
        )


def _check_interpreter() -> None:
    """Refuse an installation that the service cannot run.

    Raises:
        SernetError: The unit hides its folder from the service, or the folder is not readable.
    """
    todo = "install into /opt/sernet-edge; docs/guides/pi.md says how"
    for path in (sys.executable, os.path.realpath(sys.executable), os.path.realpath(__file__)):
        place = _hidden_place(path)
        if place in _HOMES:
            raise SernetError(
                f"the service may not look into home folders, and {path} lies in one", todo
            )
        if place:
            raise SernetError(
                f"the service has a {place} of its own, and does not see {path} in yours", todo
            )
        if closed := _closed_folder(path):
            raise SernetError(
                f"the service runs as a user of its own, who may not look into {closed}, "
                f"where {path} lies",
                f"{todo}; or: sudo chmod o+rx {closed}",
            )


def _check_paths() -> None:
    """Refuse a configuration with a file that the service cannot see.

    Raises:
        SernetError: The unit hides the file's folder from the service.
    """
    with suppress(OSError, ValueError):  # `listen` reports an invalid file
        table = tomllib.loads(SYSTEM_FILE.read_text("utf-8-sig")).get("listen", {})
        for key in ("model", "input", "csv", "json", "record"):
            path = table.get(key)
            if not isinstance(path, str) or not os.path.isabs(path):
                continue
            if place := _hidden_place(path) or _hidden_place(os.path.realpath(path)):
                raise SernetError(
                    f"{SYSTEM_FILE}: {key}: the service does not see {path}: it sees no {place}, "
                    "or one of its own",
                    f"put it below {_STATE_FOLDER}, where relative paths start",
                )


def _hidden_place(path: str) -> str:
    """Return the folder that the unit hides and that contains `path`; empty if there is none."""
    settings = unit().splitlines()
    hidden = _HOMES if "ProtectHome=yes" in settings else ()
    hidden += _TEMPORARY if "PrivateTmp=yes" in settings else ()
    return next((place for place in hidden if path.startswith(f"{place}/")), "")


def _closed_folder(path: str) -> str:
    """Return the first parent of `path` that only its owner or group may enter."""
    for folder in reversed(Path(path).parents):
        with suppress(OSError):
            if not folder.stat().st_mode & stat.S_IXOTH:
                return str(folder)
    return ""


def _systemctl(*arguments: str) -> None:
    """Run systemctl; without systemd, print the command to run."""
    command = ["systemctl", *arguments]
    if not Path("/run/systemd/system").is_dir():  # sd_booted(3)
        click.echo(f"systemd does not run here; where it does: {' '.join(command)}")
        return
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SernetError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
