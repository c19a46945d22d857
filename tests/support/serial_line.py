"""A pseudo-terminal that connects to a board's program and can damage the bytes."""

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
"""Changes the bytes that pass the line."""


def unchanged(data: bytes) -> bytes:
    return data


@contextmanager
def line(
    command: Sequence[str | Path], to_board: Change = unchanged, from_board: Change = unchanged
) -> Iterator[str]:
    """Run a program that uses standard input and output; yield a port that connects to it."""
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
        # The program ends when its input ends, and may still write until then.
        program.communicate(timeout=30)
        assert program.returncode == 0
        for handle in (master, slave, ending, ended):
            os.close(handle)


@contextmanager
def answering(answer: Change) -> Iterator[str]:
    """Yield a port; `answer` turns the received bytes into the reply."""
    with line(["cat"], from_board=answer) as port:
        yield port
