"""A pseudo-terminal with a board's program behind it, and what can go wrong on the way."""

from __future__ import annotations

import os
import select
import subprocess
import threading
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

Change = Callable[[bytes], bytes]
"""What a line makes of some bytes that pass."""


def unchanged(data: bytes) -> bytes:
    return data


@contextmanager
def line(
    command: Sequence[str | Path], to_board: Change = unchanged, from_board: Change = unchanged
) -> Iterator[str]:
    """Run a program that talks on standard input and output; give the port to talk to it."""
    master, slave = os.openpty()
    tty.setraw(slave)
    program = subprocess.Popen(
        list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert program.stdin is not None and program.stdout is not None
    ending, ended = os.pipe()
    board_in, board_out = program.stdin.fileno(), program.stdout.fileno()

    def relay() -> None:
        while True:
            ready, _, _ = select.select([master, board_out, ending], [], [])
            if ending in ready:
                return
            if master in ready:
                os.write(board_in, to_board(os.read(master, 4096)))
            if board_out in ready:
                data = os.read(board_out, 4096)
                if not data:
                    return
                os.write(master, from_board(data))

    thread = threading.Thread(target=relay)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        os.write(ended, b".")
        thread.join()
        program.stdin.close()
        program.stdout.close()
        # Ends at the end of its input.
        assert program.wait(timeout=30) == 0
        for handle in (master, slave, ending, ended):
            os.close(handle)


@contextmanager
def answering(answer: Change) -> Iterator[str]:
    """Give a port at which `answer` says what comes back for the bytes that came."""
    with line(["cat"], from_board=answer) as port:
        yield port
