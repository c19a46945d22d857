"""The `sernet-edge` command and its subcommands, each loaded only when it is called."""

from __future__ import annotations

import importlib
import signal
from typing import Any, cast

import click
from click.shell_completion import CompletionItem

from sernet_edge import __version__
from sernet_edge.runtime.errors import SernetError, guess

# Command name -> (module, attribute, one-line help, extra that brings what it needs).
# The help stands here so that `sernet-edge --help` loads no stage.
_COMMANDS = {
    "train": (
        "sernet_edge.train.command",
        "train",
        "Train a model on a corpus of emotional speech.",
        "train",
    ),
    "cross-validate": (
        "sernet_edge.cross_validate.command",
        "cross_validate",
        "Train and test a model with each speaker left out.",
        "all",
    ),
    "evaluate": (
        "sernet_edge.train.evaluation.evaluate_command",
        "evaluate_command",
        "Test a model on a corpus.",
        "train",
    ),
    "report": (
        "sernet_edge.train.evaluation.report_command",
        "report_command",
        "Write a page with figures and pictures of cross-validations.",
        "train",
    ),
    "convert": (
        "sernet_edge.convert.command",
        "convert",
        "Quantise a Keras model to an int8 .tflite and a C header.",
        "convert",
    ),
    "adopt": (
        "sernet_edge.firmware_export.adopt.command",
        "adopt",
        "Give a model of another project a contract.",
        "firmware",
    ),
    "export": (
        "sernet_edge.firmware_export.command",
        "export",
        "Turn a .tflite into C for firmware.",
        "firmware",
    ),
    "inspect": (
        "sernet_edge.inspect.command",
        "inspect",
        "Show what is in a model file, and what can run it.",
        "firmware",
    ),
    "selftest": (
        "sernet_edge.firmware_export.selftest.command",
        "selftest",
        "Compare a board over a serial line with this computer.",
        "board",
    ),
    "bench": (
        "sernet_edge.bench.command",
        "bench",
        "Measure what a model takes and gives.",
        "firmware",
    ),
    "listen": (
        "sernet_edge.runtime.listen.command",
        "listen",
        "Print the emotions in live or recorded speech.",
        "",
    ),
    "teach": (
        "sernet_edge.runtime.teach.command",
        "teach",
        "Adapt a model to a voice with a few labelled clips.",
        "",
    ),
    "doctor": (
        "sernet_edge.runtime.listen.doctor",
        "doctor",
        "Check whether listening can work here.",
        "",
    ),
    "service": (
        "sernet_edge.runtime.listen.service",
        "service",
        "Listen as a service, from the boot on.",
        "",
    ),
}


class _LazyGroup(click.Group):
    """A group whose subcommands are imported when they are called, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, *_ = _COMMANDS[cmd_name]
        try:
            command = cast(click.Command, getattr(importlib.import_module(module), attribute))
        except ModuleNotFoundError as error:
            raise _missing_package(cmd_name, error) from error
        # From now on Ctrl-C is an exception, for there may be something to clean up.
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        is_unknown = args[0] not in _COMMANDS and not ctx.resilient_parsing
        if is_unknown and (meant := guess(args[0], _COMMANDS)):
            ctx.fail(f"No such command {args[0]!r}.{meant}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        # click's own would import every command to ask whether it is hidden.
        commands = [
            CompletionItem(name, help=entry[2])
            for name, entry in _COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            # A stage loads its heavy packages when it gets to them.
            raise _missing_package(ctx.invoked_subcommand or "", error) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry[2]) for name, entry in _COMMANDS.items()])


def _missing_package(command: str, error: ModuleNotFoundError) -> Exception:
    """Return what to raise: how to get the package, or the error itself where it is our defect."""
    package = (error.name or "").partition(".")[0]
    extra = _COMMANDS[command][3] if command in _COMMANDS else ""
    if command == "bench" and package == "scipy":
        extra = "train"  # It reads a corpus.
    if not extra or package in ("", "sernet_edge"):
        return error
    return SernetError(
        f"`sernet-edge {command}` needs the Python package {package!r}",
        hint=f"pip install 'sernet-edge[{extra}]'",
    )


def _print_versions(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Print the program's version, and those of the formats and interfaces that it knows."""
    if not wanted or ctx.resilient_parsing:
        return
    from sernet_edge.firmware_export.csource import c_constant
    from sernet_edge.runtime.contract import CONTRACT_VERSION
    from sernet_edge.runtime.records import RECORD_VERSION

    engine = c_constant("sernet_engine.h", "SERNET_ENGINE_VERSION")
    api = c_constant("sernet.h", "SERNET_API_VERSION")
    serial = c_constant("sernet_serial.h", "SERNET_SERIAL_VERSION")
    click.echo(f"sernet-edge, version {__version__}")
    click.echo(
        f"contract {CONTRACT_VERSION}, records {RECORD_VERSION}, "
        f"C engine {engine}, C API {api}, serial protocol {serial}"
    )
    ctx.exit()


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_versions,
    help="Show the versions of the program, its formats and its interfaces, and exit.",
)
def cli() -> None:
    """Emotion from speech, on the device, with no cloud."""
