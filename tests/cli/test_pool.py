"""Parallel folds: in local processes, or on a real Dask scheduler with two workers."""

from __future__ import annotations

import os
import time
from concurrent.futures import wait
from contextlib import closing
from pathlib import Path

import pytest
from dask_cluster import dask_cluster
from pool_work import die, fail, note_process

from sernet_edge.cross_validate.pool import Cluster, Processes, why
from sernet_edge.runtime.errors import SernetError


def test_each_job_has_its_own_process(tmp_path: Path) -> None:
    with closing(Processes(2)) as pool:
        wait([pool.submit(note_process, tmp_path) for _ in range(2)])
    names = [path.name for path in tmp_path.iterdir()]
    assert len(set(names)) == 2
    assert all(name.startswith(f"{os.getpid()}-") for name in names)


def test_a_dead_process_fails_only_its_own_job(tmp_path: Path) -> None:
    with closing(Processes(2)) as pool:
        dead, fine = pool.submit(die, None), pool.submit(note_process, tmp_path)
        assert "its process died" in (why(dead.exception(60) or OSError()) or "")
        assert fine.exception(60) is None


def test_after_a_failure_no_new_job_starts(tmp_path: Path) -> None:
    with closing(Processes(1)) as pool:
        failed, waiting = pool.submit(fail, "no"), pool.submit(note_process, tmp_path)
        assert failed.exception(60) is not None
    assert waiting.cancelled()
    assert not list(tmp_path.iterdir())


def test_the_pool_gives_the_reason_of_an_expected_error_but_not_of_a_defect() -> None:
    with closing(Processes(1)) as pool:
        error = pool.submit(fail, "too little speech").exception(60)
    assert error is not None
    assert why(error) == "too little speech (do better)"
    assert why(ZeroDivisionError()) is None


@pytest.mark.slow
def test_a_cluster_uses_all_workers_and_says_when_none_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    with dask_cluster(tmp_path, 2) as (address, workers), closing(Cluster(address)) as pool:
        wait([pool.submit(note_process, notes) for _ in range(4)], timeout=60)
        names = [path.name.split("-") for path in notes.iterdir()]
        assert {int(parent) for parent, _ in names} == {w.pid for w in workers}
        assert len({own for _, own in names}) == 4
        error = pool.submit(fail, "too little speech").exception(60)
        assert error is not None
        assert why(error) == "too little speech (do better)"
        error = pool.submit(die, None).exception(60)
        assert error is not None
        assert "its process died" in (why(error) or "")
        pool.check()
        for worker in workers:
            worker.kill()
            worker.wait()
        monkeypatch.setattr("sernet_edge.cross_validate.pool.GRACE_S", 0.0)
        with pytest.raises(SernetError, match="lost all its workers"):
            for _ in range(100):
                pool.check()
                time.sleep(0.2)
        with pytest.raises(SernetError, match=r"has no worker .*dask worker"):
            Cluster(address)


@pytest.mark.slow
def test_the_error_names_a_missing_scheduler() -> None:
    with pytest.raises(SernetError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        Cluster("tcp://127.0.0.1:9")
