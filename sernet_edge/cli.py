"""Starts and ends the program: exit codes, and one line instead of a traceback.

It imports next to nothing before a Ctrl-C is taken care of.
"""

from __future__ import annotations

import os
import signal
import sys


def _leave(number: int, frame: object) -> None:
    """End at once: nothing has been begun, and an exception would surface in some import."""
    os.write(2, b"interrupted\n")
    os._exit(130)


# Until a command runs; a process in the background of a script ignores the signal, and shall.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _leave)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exit with 2 for wrong usage, 1 for failure, never a traceback."""
    if sys.stderr is None:  # started with it closed
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - as long as the program
    if sys.stdout is None:
        print("sernet-edge: standard output is closed", file=sys.stderr)
        sys.exit(1)
    if hasattr(sys.stdout, "reconfigure"):
        # A file's name may hold bytes that are no UTF-8, and be printed as standard error does it.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        sys.exit(_run(arguments))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def _run(arguments: list[str] | None) -> int:
    """Run a command; print its error if it has one; return the exit code."""
    import io

    import click

    from sernet_edge.commands import cli
    from sernet_edge.runtime.errors import SernetError, SettingError, without_logins

    try:
        # The code that a command gives to `Context.exit`; it returns nothing otherwise.
        code = cli.main(args=arguments, prog_name="sernet-edge", standalone_mode=False)
    except (click.ClickException, SettingError) as error:
        if isinstance(error, SettingError):
            error = click.BadParameter(str(error), param_hint=f"--{error.setting}")
        shown = io.StringIO()
        error.show(shown)
        click.echo(without_logins(shown.getvalue()), err=True, nl=False)
        return error.exit_code
    except click.Abort as error:
        raise KeyboardInterrupt from error
    except SernetError as error:
        click.echo(f"sernet-edge: {error}", err=True)
        return 1
    except OSError as error:
        # What a stage did not name itself: a full disk, a folder without permission.
        where = f": {error.filename}" if error.filename else ""
        told = without_logins(f"{error.strerror or error}{where}")
        click.echo(f"sernet-edge: {told}", err=True)
        return 1
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    main()
