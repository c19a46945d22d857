"""The options of `listen` that say where results go, and the outputs that they open."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import click

from sernet_edge.runtime.options import option_group
from sernet_edge.runtime.outputs.csv_rows import CsvRows
from sernet_edge.runtime.outputs.fan_out import Outputs, Tell
from sernet_edge.runtime.outputs.json_lines import JsonLines
from sernet_edge.runtime.outputs.lines import Appended, Lines, Standard
from sernet_edge.runtime.outputs.mqtt import Mqtt
from sernet_edge.runtime.outputs.mqtt_broker import Broker
from sernet_edge.runtime.outputs.plain_lines import NoticeLines, PlainLines
from sernet_edge.runtime.outputs.session import Session
from sernet_edge.runtime.outputs.terminal import LiveView
from sernet_edge.runtime.outputs.web_access import DEFAULT_ADDRESS, MIN_TOKEN, Address

_STANDARD = "-"
"""File name that stands for standard output."""


@dataclass(frozen=True)
class OutputSettings:
    """Destinations of the records.

    Attributes:
        json: File for JSON lines; "-" for standard output.
        csv: File for rows; "-" for standard output.
        mqtt: The broker's URL.
        mqtt_password: Password of the broker's user.
        web: The web page's address.
        web_token: The web page's token.
        quiet: Whether to leave out the view on standard output.
        no_timing: Whether to leave out what differs between two runs.
    """

    json: str | None
    csv: str | None
    mqtt: str | None = field(repr=False)
    mqtt_password: str | None = field(repr=False)
    web: str | None
    web_token: str | None = field(repr=False)
    quiet: bool
    no_timing: bool

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other."""
        if self.json is not None and self.json == self.csv:
            raise click.UsageError("--json and --csv cannot both write to the same place.")
        user = None if self.mqtt is None else Broker.from_url(self.mqtt).user
        if self.mqtt_password is not None and user is None:
            raise click.UsageError("--mqtt-password goes with --mqtt mqtt://USER@HOST only.")
        if self.web_token is not None and self.web is None:
            raise click.UsageError("--web-token goes with --web only.")

    def open(self, session: Session) -> Outputs:
        """Open the outputs.

        Raises:
            SernetError: An output cannot be opened, or a package is not installed.
        """
        outputs = Outputs()
        try:
            self._open(outputs, session)
        except BaseException:
            outputs.close()
            raise
        return outputs

    def _open(self, outputs: Outputs, session: Session) -> None:
        timing = not self.no_timing
        # Outputs that can fail come first, so that no view appears before an error.
        if self.web is not None:
            from sernet_edge.runtime.outputs.web import Web

            address = Address.from_text(self.web)
            web = Web(address, self.web_token, session, outputs.tell, timing)
            outputs.add(web)
            for page in web.shown:
                click.echo(f"web     {page}", err=True)
        if self.json is not None:
            outputs.add(JsonLines(_lines(self.json, outputs.tell), timing))
        if self.csv is not None:
            lines = _lines(self.csv, outputs.tell)
            outputs.add(CsvRows(lines, session.contract.labels, timing))
        if self.mqtt is not None:
            broker = Broker.from_url(self.mqtt)
            outputs.add(Mqtt(broker, self.mqtt_password, session, outputs.tell, timing))
            click.echo(f"mqtt    {broker}, topics {broker.prefix}/...", err=True)
        if self.quiet or _STANDARD in (self.json, self.csv):
            outputs.add(NoticeLines(Standard(sys.stderr)))
        elif sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
            # https://no-color.org
            colour = not os.environ.get("NO_COLOR")
            outputs.add(LiveView(sys.stdout, session, timing, colour))
        else:
            outputs.add(PlainLines(Standard(sys.stdout), timing))


def _lines(name: str, tell: Tell) -> Lines:
    return Standard(sys.stdout) if name == _STANDARD else Appended(Path(name), tell)


def _broker(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse text that is not a broker's URL; a callback."""
    try:
        if value is not None:
            Broker.from_url(value)
    except ValueError as error:
        raise click.BadParameter(f"not a broker's URL: {error}.", context, parameter) from None
    return value


def _address(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse text that is not an address to listen on; a callback."""
    try:
        if value is not None:
            Address.from_text(value)
    except ValueError as error:
        # An address of another kind may hold a password.
        shown = "" if value and "@" in value else f"{value!r}: "
        raise click.BadParameter(f"{shown}{error}.", context, parameter) from None
    return value


def _token(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse a token that could be guessed or not be typed; a callback."""
    if value is not None and not re.fullmatch(rf"[!-~]{{{MIN_TOKEN},}}", value):
        raise click.BadParameter(
            f"a token has at least {MIN_TOKEN} letters, digits and signs, and no spaces.",
            context,
            parameter,
        )
    return value


output_options = option_group(
    "output_settings",
    OutputSettings,
    (
        click.option(
            "--json",
            type=click.Path(readable=False, allow_dash=True),
            is_flag=False,
            flag_value=_STANDARD,
            metavar="[FILE]",
            help="One JSON object a line, on standard output or at the end of FILE.",
        ),
        click.option(
            "--csv",
            type=click.Path(readable=False, allow_dash=True),
            is_flag=False,
            flag_value=_STANDARD,
            metavar="[FILE]",
            help="One row a result, on standard output or at the end of FILE.",
        ),
        click.option(
            "--mqtt",
            callback=_broker,
            metavar="URL",
            help="Publish to the broker mqtt[s]://[USER@]HOST[:PORT][/PREFIX]; Home Assistant "
            "finds it.",
        ),
        click.option(
            "--mqtt-password",
            metavar="TEXT",
            help="Password of the user in --mqtt; better set in the environment or the "
            "configuration file, where others do not see it.",
        ),
        click.option(
            "--web",
            callback=_address,
            is_flag=False,
            flag_value=DEFAULT_ADDRESS,
            metavar="[HOST:PORT]",
            help=f"Serve a live web page.  [default, if given alone: {DEFAULT_ADDRESS}]",
        ),
        click.option(
            "--web-token",
            callback=_token,
            metavar="TEXT",
            help="Token that the web page asks for.  [default: none if only this machine can reach "
            "the page, else a new one]",
        ),
        click.option("--quiet", is_flag=True, help="No view on standard output."),
        click.option(
            "--no-timing",
            is_flag=True,
            help="Leave out computing times and dates, which differ between two runs.",
        ),
    ),
)
