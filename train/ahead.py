"""Computes results in threads before they are needed."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

# With more threads, Python's lock becomes the bottleneck.
_MOST_THREADS = 8


def ahead(make: Callable[[int], T], count: int, threads: int | None = None) -> Iterator[T]:
    """Yield make(0), make(1), ... make(count - 1), each computed ahead of its use.

    Threads are enough: NumPy's and SciPy's functions release Python's lock while they compute.

    Args:
        make: Computes one result, which may depend on the number only.
        count: Number of results.
        threads: Number of threads; None: half the cores, at most 8.
    """
    if threads is None:
        has_affinity = hasattr(os, "sched_getaffinity")
        cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
        threads = max(1, min(_MOST_THREADS, cores // 2))
    pool = ThreadPoolExecutor(threads, thread_name_prefix="ahead")
    waiting: deque[Future[T]] = deque()
    try:
        for number in range(count):
            waiting.append(pool.submit(make, number))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
