"""A real Dask cluster on this computer, for the tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def dask_cluster(folder: Path, workers: int) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Start a scheduler and workers as processes; yield the scheduler's address and the workers.

    If a worker dies, no other worker repeats its job. Workers can import the tests' modules.
    """
    environment = {
        **os.environ,
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
        "PYTHONPATH": str(Path(__file__).parent),
    }
    file = folder / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    place = ["--scheduler-file", str(file), "--no-dashboard"]
    commands = [[*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", *place]]
    commands += [[*dask, "worker", *place, "--nthreads", "2", "--no-nanny"]] * workers
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = [
        subprocess.Popen(command, env=environment, cwd=folder, **silent)  # type: ignore[call-overload]
        for command in commands
    ]
    try:
        yield _address(file, workers), processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _address(file: Path, workers: int) -> str:
    """Wait for the scheduler and its workers; return the scheduler's address."""
    from distributed import Client

    deadline = time.monotonic() + 200
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < deadline, "the scheduler did not start"
        time.sleep(0.1)
    address: str = json.loads(file.read_text())["address"]
    with Client(address, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=200)
    return address
