"""The configuration of a command: options from flags, the environment and a TOML file.

The names are the same everywhere. A flag overrides the environment (`SERNET_EDGE_LISTEN_HOP`),
which overrides the file (`hop` in the table `[listen]`), which overrides the option's default. The
users' page is docs/guides/configuration.md.
"""

from __future__ import annotations

import codecs
import json
import os
import tomllib
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from sernet_edge.runtime.errors import SernetError, guess
from sernet_edge.runtime.models import NAMES

SYSTEM_FILE = Path("/etc/sernet-edge/config.toml")
"""The file that a service reads; a user's own file has precedence."""

# Key of a click context under which the file's path is stored.
_FILE = "sernet_edge.runtime.listen.config.file"

_QUOTE = "text stands in quotes; a switch is true or false"

# Options that are not settings, and so are not allowed in a file.
_NO_SETTING = {"config", "show_config", "list_devices", "help"}

# Values of options with these endings are never shown, nor is an address with a login.
_SECRETS = ("password", "token")


class ConfiguredCommand(click.Command):
    """A command whose options can also be set in a file or the environment.

    The name of an option's parameter must match its flag: click builds the variable's name from it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Add `--config` and `--show-config` to the options."""
        super().__init__(*args, **kwargs)
        self.context_settings["auto_envvar_prefix"] = f"SERNET_EDGE_{self.name}".upper()
        self.params += [
            click.Option(
                ["--config"],
                type=click.Path(path_type=Path),
                metavar="FILE",
                is_eager=True,  # read before the other options, whose defaults it sets
                expose_value=False,
                callback=self._read_file,
                help=f"TOML file with a table [{self.name}] of these options.  "
                f"[default: ~/.config/sernet-edge/config.toml, else {SYSTEM_FILE}]",
            ),
            click.Option(
                ["--show-config"],
                is_flag=True,
                help="Print the settings as such a file, each with its origin, and exit.",
            ),
        ]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options; for a wrong one, say whether a flag, a variable or the file set it."""
        self._check_environment(ctx)
        try:
            return super().parse_args(ctx, args)
        except click.BadParameter as error:
            name = error.param and error.param.name
            origin = name and ctx.get_parameter_source(name)
            if origin is ParameterSource.DEFAULT_MAP:
                raise SernetError(
                    f"{ctx.meta[_FILE]}: {_key(error.param)}: {error.message}"
                ) from error
            if origin is ParameterSource.ENVIRONMENT:
                told = f"{error.message} (from {_variable(ctx, error.param)})"
                raise click.BadParameter(told, ctx, error.param) from error
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, or show its settings."""
        if ctx.params.pop("show_config"):
            click.echo("\n".join(self._lines(ctx)))
            return None
        return super().invoke(ctx)

    def _settings(self) -> dict[str, click.Parameter]:
        """Return the options that a file may set, by their keys in the file."""
        return {_key(param): param for param in self.params if param.name not in _NO_SETTING}

    def _check_environment(self, ctx: click.Context) -> None:
        """Refuse a variable with the options' prefix that matches no option."""
        known = [_variable(ctx, param) for param in self.params]
        for name in os.environ:
            if name.startswith(f"{ctx.auto_envvar_prefix}_") and name not in known:
                raise click.UsageError(
                    f"No option belongs to the environment variable {name}.{guess(name, known)}",
                    ctx,
                )

    def _read_file(self, ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
        """Use the file's values as the options' defaults; the callback of `--config`."""
        if path is None:
            path = next((place for place in _usual_places() if _is_there(place)), None)
        if path is not None:
            ctx.meta[_FILE] = path
            ctx.default_map = self._file_values(path)

    def _file_values(self, path: Path) -> dict[str, Any]:
        """Return the file's values by parameter, after checking their types.

        Raises:
            SernetError: The file cannot be read or is not TOML, a key is unknown, or a value has
                the wrong type.
        """
        try:
            content = tomllib.loads(_text(path.read_bytes()))
        except OSError as error:
            raise SernetError(f"cannot read the configuration {path}: {error.strerror}") from error
        except ValueError as error:  # includes tomllib's own error
            hint = _QUOTE if str(error).startswith("Invalid value") else ""
            raise SernetError(f"the configuration {path} is not TOML: {error}", hint) from None
        table = content.pop(str(self.name), {})
        if content or not isinstance(table, dict):
            raise SernetError(
                f"{path}: unknown key {next(iter(content), self.name)!r}",
                f"put options below a line [{self.name}]",
            )
        settings = self._settings()
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key not in settings:
                raise SernetError(f"{path}: unknown key {key!r}.{guess(key, settings)}")
            param = settings[key]
            several = param.multiple and isinstance(value, list)
            for item in value if several else [value]:
                if not _fits(param, item):
                    raise SernetError(
                        f"{path}: {key}: {_quoted(key, item)} is not {_wanted(param)}"
                    )
            if isinstance(value, bool) and (alone := _value_alone(param)):
                value = alone if value else None
            values[str(param.name)] = value
        return values

    def _lines(self, ctx: click.Context) -> list[str]:
        """Return the current settings as the lines of a file."""
        lines = [f"[{self.name}]"]
        for key, param in self._settings().items():
            name = str(param.name)
            value, origin = ctx.params.get(name), ctx.get_parameter_source(name)
            if value is None or value == ():
                lines.append(f"# {key} is not set")
                continue
            told = {
                ParameterSource.COMMANDLINE: "command line",
                ParameterSource.ENVIRONMENT: _variable(ctx, param),
                ParameterSource.DEFAULT_MAP: str(ctx.meta.get(_FILE)),
            }.get(origin or ParameterSource.DEFAULT, "default")
            if name == "model":
                # The path of a shipped model depends on Python's version; its name does not.
                value = NAMES.get(value, value)
            shown = f"{key} = {_toml(value)}"
            if _is_secret(key, value):
                shown = f"# {key} is set, and not shown"
            lines.append(f"{shown}  # {told}")
        return lines


def _text(content: bytes) -> str:
    """Decode a UTF-8 file, with or without a byte order mark.

    Raises:
        ValueError: It is not UTF-8; says what it is and what to do.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content:
        raise ValueError(
            "it is UTF-16, as some Windows editors write, or no text; save it as UTF-8"
        )
    try:
        # TOML allows Windows' line ends.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(f"line {line} is not UTF-8; save it as UTF-8") from None


def _usual_places() -> list[Path]:
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return [Path(home, "sernet-edge", "config.toml"), SYSTEM_FILE]


def _is_there(path: Path) -> bool:
    """Whether the file exists, even if it cannot be read."""
    try:
        return path.exists()
    except PermissionError:  # in another user's folder
        return False


def _key(param: click.Parameter | None) -> str:
    return str(param.name).replace("_", "-") if param else ""


def _variable(ctx: click.Context, param: click.Parameter | None) -> str:
    return f"{ctx.auto_envvar_prefix}_{param.name}".upper() if param else ""


def _value_alone(param: click.Parameter) -> str | None:
    """Return the value of `--web` without an argument; None for options that need one."""
    value = getattr(param, "flag_value", None)
    return value if isinstance(value, str) else None


def _fits(param: click.Parameter, value: object) -> bool:
    """Whether a TOML value has the option's type; click checks its range."""
    takes_bool = isinstance(param.type, click.types.BoolParamType)
    if isinstance(value, bool) or takes_bool:
        return isinstance(value, bool) and (takes_bool or _value_alone(param) is not None)
    if isinstance(param.type, click.types.FloatParamType):
        return isinstance(value, int | float)
    if isinstance(param.type, click.types.IntParamType):
        return isinstance(value, int)
    return isinstance(value, str)


def _is_secret(key: str, value: object) -> bool:
    return key.endswith(_SECRETS) or ("://" in str(value) and "@" in str(value))


def _quoted(key: str, value: object) -> str:
    """Return a wrong value as it may appear in a message; a secret is not shown."""
    if isinstance(value, dict):
        return "a table"
    return "its value" if _is_secret(key, value) else _toml(value)


def _wanted(param: click.Parameter) -> str:
    if isinstance(param.type, click.types.BoolParamType):
        return "true or false"
    if isinstance(param.type, click.types.FloatParamType):
        return "a number"
    if isinstance(param.type, click.types.IntParamType):
        return "a whole number"
    return "text in quotes"


def _toml(value: object) -> str:
    """Write a value as TOML; a TOML string may be written like a JSON string."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool | int | float):
        return str(value).lower()
    return json.dumps(str(value), ensure_ascii=False)
