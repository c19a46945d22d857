"""Computing results ahead of their use, in threads."""

from __future__ import annotations

import threading
import time

import pytest

from sernet_edge.train.ahead import ahead


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
@pytest.mark.parametrize("threads", [1, 3, None])
def test_results_come_once_and_in_order_whichever_is_ready_first(
    count: int, threads: int | None
) -> None:
    made: list[int] = []

    def make(number: int) -> int:
        time.sleep(0.002 * (number % 3 == 0))
        made.append(number)
        return number * number

    assert list(ahead(make, count, threads)) == [number * number for number in range(count)]
    assert sorted(made) == list(range(count))


def test_a_few_results_are_computed_while_the_first_is_used() -> None:
    begun = [threading.Event() for _ in range(20)]

    def make(number: int) -> int:
        begun[number].set()
        return number

    made = ahead(make, 20, 2)
    assert next(made) == 0
    assert begun[1].wait(10) and begun[2].wait(10)
    assert not any(event.is_set() for event in begun[3:])
    made.close()  # type: ignore[attr-defined]


def test_an_error_comes_in_place_of_its_result_and_ends_the_threads() -> None:
    def make(number: int) -> int:
        if number == 2:
            raise ValueError("no third")
        return number

    made = ahead(make, 9, 2)
    assert [next(made), next(made)] == [0, 1]
    with pytest.raises(ValueError, match="no third"):
        next(made)
    assert not [t for t in threading.enumerate() if t.name.startswith("ahead")]
