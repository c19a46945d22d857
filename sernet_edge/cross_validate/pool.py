"""Runs the folds of a cross-validation in parallel, on this computer or on a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from sernet_edge.runtime.errors import SernetError

AnyJob = TypeVar("AnyJob")

# How long a cluster may be without a worker: a nanny takes seconds to replace one that died.
GRACE_S = 60.0


class Pool(Protocol):
    """Runs jobs."""

    def submit(self, work: Callable[[AnyJob], None], job: AnyJob) -> Future[None]:
        """Run `work(job)` when there is room; both must be picklable."""
        ...

    def check(self) -> None:
        """Raise SernetError if nothing submitted can run any more."""
        ...

    def close(self) -> None:
        """Forget the jobs that have not begun."""
        ...


class Processes:
    """A pool on this computer; each job in a new process, for TensorFlow gives no memory back.

    Once a job has failed, none is begun any more.
    """

    def __init__(self, jobs: int) -> None:
        """Prepare to run `jobs` of them at a time."""
        # A thread for each process, so that one that dies is known by its job.
        self._threads = ThreadPoolExecutor(jobs)

    def submit(self, work: Callable[[AnyJob], None], job: AnyJob) -> Future[None]:
        """See `Pool.submit`."""
        return self._threads.submit(self._run, work, job)

    def _run(self, work: Callable[[AnyJob], None], job: AnyJob) -> None:
        try:
            _in_a_process(work, job)
        except BaseException:
            # Here, before this thread takes the next job.
            self._threads.shutdown(wait=False, cancel_futures=True)
            raise

    def check(self) -> None:
        """See `Pool.check`."""

    def close(self) -> None:
        """See `Pool.close`; waits for the jobs under way."""
        self._threads.shutdown(cancel_futures=True)


def _in_a_process(work: Callable[[AnyJob], None], job: AnyJob) -> None:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=_end_with_parent) as process:
        process.submit(work, job).result()


def _end_with_parent() -> None:
    """Let this process end when the one that started it does, however that ends.

    Otherwise it would go on training while the user starts the run again.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # dies of Ctrl-C without a word

    def wait() -> None:
        if parent := multiprocessing.parent_process():
            parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


class Cluster:
    """A pool of Dask workers, which see this computer's files under the same paths."""

    def __init__(self, address: str) -> None:
        """Connect to a scheduler.

        Args:
            address: Its address, such as tcp://10.0.0.1:8786.

        Raises:
            SernetError: `distributed` is not installed, no scheduler answers, or it has no worker.
        """
        try:
            from distributed import Client
        except ModuleNotFoundError as error:
            raise SernetError(
                f"--scheduler needs the Python package {error.name!r}",
                hint="pip install 'sernet-edge[cluster]'",
            ) from error
        try:
            self._client: Any = Client(address, timeout=10, set_as_default=False)
        except (OSError, ValueError, RuntimeError) as error:
            raise SernetError(
                f"no Dask scheduler answers at {address}: {error}",
                hint="start one with `dask scheduler`, or check the address",
            ) from error
        self._seen_s = time.monotonic()
        if not self._workers():
            self._client.close()
            raise SernetError(
                f"the Dask scheduler at {address} has no worker",
                hint=f"start a worker with `dask worker {address}`",
            )
        self._executor: Any = self._client.get_executor(pure=False)

    def _workers(self) -> int:
        return len(self._client.scheduler_info(n_workers=-1)["workers"])

    def submit(self, work: Callable[[AnyJob], None], job: AnyJob) -> Future[None]:
        """See `Pool.submit`."""
        future: Future[None] = self._executor.submit(_one_at_a_time, work, job)
        return future

    def check(self) -> None:
        """See `Pool.check`."""
        now = time.monotonic()
        if self._workers():
            self._seen_s = now
        elif now - self._seen_s > GRACE_S:
            raise SernetError(
                "the cluster has lost all its workers",
                hint="start workers, and repeat the command to continue the run",
            )

    def close(self) -> None:
        """See `Pool.close`; also gives up the jobs under way."""
        self._executor.shutdown(wait=False)
        self._client.close()


_ONE = threading.Lock()


def _one_at_a_time(work: Callable[[AnyJob], None], job: AnyJob) -> None:
    """Run a job, in a worker's thread, as it runs on one computer: in a new process.

    In the worker's own, other threads of Dask draw from the random state that Keras draws from.
    """
    # A nanny marks its worker as a daemon, which may have no children; these end with it.
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    with _ONE:  # a worker has one job's memory, however many threads
        _in_a_process(work, job)


def why(error: BaseException) -> str | None:
    """Return in words why a job of a pool failed; None if it is a defect of this program."""
    # By name, because the packages that define these errors may be missing.
    known = {
        "BrokenProcessPool": "its process died: killed, or out of memory",
        "KilledWorker": "the workers that tried it died: killed, or out of memory",
        "CancelledError": "the scheduler went away",
    }
    if isinstance(error, SernetError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return f"a worker lacks the Python package {error.name!r}"
    return known.get(type(error).__name__)
