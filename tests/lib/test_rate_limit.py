"""The buckets hold the rate over all processes of a machine."""

from __future__ import annotations

import multiprocessing
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lib.rate_limit import SharedBuckets


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_and_then_the_rate_holds(tmp_path: Path) -> None:
    clock = Clock()
    buckets = SharedBuckets(tmp_path / "rate", rate=30, burst=60, clock=clock)
    assert [buckets.take("a") for _ in range(61)] == [0] * 60 + [1]
    clock.now += 1
    assert [buckets.take("a") for _ in range(31)] == [0] * 30 + [1]
    assert buckets.take("b") == 0


def test_it_says_in_whole_seconds_when_to_come_again(tmp_path: Path) -> None:
    clock = Clock()
    buckets = SharedBuckets(tmp_path / "rate", rate=0.1, burst=1, clock=clock)
    assert buckets.take("a") == 0
    assert buckets.take("a") == 10
    clock.now += 9.5
    assert buckets.wait_of("a") == 1
    clock.now += 0.6
    assert buckets.wait_of("a") == 0
    assert buckets.take("a") == 0


def test_two_openers_of_one_file_share_its_buckets(tmp_path: Path) -> None:
    clock = Clock()
    one, two = (SharedBuckets(tmp_path / "rate", rate=1, burst=4, clock=clock) for _ in range(2))
    assert [opener.take("a") for opener in (one, two, one, two, one)] == [0, 0, 0, 0, 1]


def test_a_machine_that_started_anew_forgets_what_was_before(tmp_path: Path) -> None:
    clock = Clock()
    clock.now = 10_000_000.0
    buckets = SharedBuckets(tmp_path / "rate", rate=1, burst=1, clock=clock)
    assert [buckets.take("a"), buckets.take("a")] == [0, 1]
    clock.now = 5.0
    assert buckets.take("a") == 0


@given(keys=st.lists(st.text(max_size=5), max_size=200))
def test_more_keys_than_places_never_refuse_a_stranger(keys: list[str]) -> None:
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        buckets = SharedBuckets(Path(folder) / "rate", rate=1, burst=1, slots=16, clock=clock)
        seen: set[str] = set()
        for key in keys:
            assert buckets.take(key) == 0 or key in seen
            seen.add(key)


def _take_many(path: Path, results: multiprocessing.Queue[int]) -> None:
    buckets = SharedBuckets(path, rate=0.0001, burst=100)
    results.put(sum(buckets.take("a") == 0 for _ in range(80)))


def test_several_processes_take_no_more_than_the_burst(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[int] = spawn.Queue()
    takers = [spawn.Process(target=_take_many, args=(tmp_path / "rate", results)) for _ in range(3)]
    for taker in takers:
        taker.start()
    assert sum(results.get(timeout=60) for _ in takers) == 100
    for taker in takers:
        taker.join()
