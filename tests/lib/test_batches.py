"""Work done together gives each thread its own result, whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib.batches import Batches


def test_each_thread_gets_its_own_result() -> None:
    sizes: list[int] = []

    def work(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        return [item * 2 for item in items]

    batches = Batches(work, most=4)
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(batches.do, range(3000))) == [number * 2 for number in range(3000)]
    assert sum(sizes) == 3000
    assert max(sizes) <= 4


def test_those_who_wait_are_worked_on_together() -> None:
    gate, sizes = threading.Event(), []

    def work(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        gate.wait(10)
        return list(items)

    batches = Batches(work, most=32)
    with ThreadPoolExecutor(8) as pool:
        results = [pool.submit(batches.do, number) for number in range(8)]
        while len(batches._waiting) < 7:
            pass
        gate.set()
        assert [result.result() for result in results] == list(range(8))
    assert sizes == [1, 7]


def test_what_goes_wrong_reaches_everybody_and_nobody_hangs() -> None:
    def work(items: Sequence[int]) -> list[int]:
        raise ConnectionError(items[0])

    batches = Batches(work, most=4)
    with ThreadPoolExecutor(8) as pool:
        for result in [pool.submit(batches.do, number) for number in range(100)]:
            with pytest.raises(ConnectionError):
                result.result(timeout=10)


def test_work_that_forgets_somebody_is_an_error_for_all() -> None:
    def work(items: Sequence[int]) -> list[int]:
        return []

    with pytest.raises(ValueError, match="zip"):
        Batches(work, most=4).do(1)
