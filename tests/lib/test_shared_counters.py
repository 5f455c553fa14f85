"""Counters that processes share: exact whoever counts, also after a death and without a disk."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lib.rate_limit import SharedBuckets
from lib.shared_counters import BOUNDS, SharedCounters


def count_many(path: Path, times: int) -> None:
    counters = SharedCounters(path)
    for number in range(times):
        counters.count("posts", f"kind {number % 7}")
        counters.observe("seconds", "/", value=0.02)


def count_and_take(folder: Path, times: int) -> None:
    """One thread counts while another takes tokens; a child that met an error ends with 1."""
    counters, buckets = SharedCounters(folder / "metrics"), SharedBuckets(folder / "rate", rate=1000, burst=1000)
    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(lambda: [buckets.take("a") for _ in range(times)])
        count_in(counters, times)
        taking.result()


def count_in(counters: SharedCounters, times: int) -> None:
    for _ in range(times):
        counters.count("posts", "kind 0")


def total_of(counters: SharedCounters, name: str) -> float:
    return sum(series.total for series in counters.list_series() if series.name == name)


def test_threads_of_two_processes_that_hold_two_files_are_no_deadlock(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=count_and_take, args=(tmp_path, 20_000)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    assert total_of(SharedCounters(tmp_path / "metrics"), "posts") == 40_000


def test_a_child_of_a_fork_counts_for_itself(tmp_path: Path) -> None:
    counters = SharedCounters(tmp_path / "metrics")
    counters.count("posts", "kind 0")
    children = [multiprocessing.get_context("fork").Process(target=count_in, args=(counters, 5_000)) for _ in range(2)]
    for child in children:
        child.start()
    count_in(counters, 5_000)
    for child in children:
        child.join(60)
    assert total_of(counters, "posts") == 15_001


def test_four_processes_and_their_threads_lose_no_count(tmp_path: Path) -> None:
    path = tmp_path / "metrics"
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=count_many, args=(path, 500)) for _ in range(4)]
    for child in children:
        child.start()
    own = SharedCounters(path)
    threads = [threading.Thread(target=count_many, args=(path, 100)) for _ in range(2)]
    threads += [threading.Thread(target=count_in, args=(own, 500)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for child in children:
        child.join()
    for thread in threads:
        thread.join()
    assert total_of(own, "posts") == 4 * 500 + 2 * 100 + 4 * 500
    histogram = next(series for series in own.list_series() if series.name == "seconds")
    assert sum(histogram.buckets) == histogram.buckets[1] == 2200
    assert round(histogram.total) == 44


def test_a_killed_process_takes_neither_its_counts_nor_its_file_with_it(tmp_path: Path) -> None:
    path = tmp_path / "metrics"
    child = os.fork()
    if child == 0:
        count_many(path, 10)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    after = SharedCounters(path)
    after.count("posts", "kind 0")
    assert total_of(after, "posts") == 11
    assert [file.name for file in tmp_path.iterdir()] == ["metrics"]


def test_two_at_once_have_a_file_each_and_a_third_adds_up_what_they_count(tmp_path: Path) -> None:
    path = tmp_path / "metrics"
    one, other = SharedCounters(path), SharedCounters(path)
    for counters in (one, other, one):
        counters.count("posts", "kind 0")
        counters.observe("seconds", "/", value=0.02)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["metrics", "metrics.1"]
    posts, seconds = sorted(SharedCounters(path).list_series(), key=lambda series: series.name)
    assert posts.total == 3 and seconds.buckets[1] == 3 and round(seconds.total, 2) == 0.06


def test_a_value_falls_into_the_bucket_that_ends_above_it(tmp_path: Path) -> None:
    counters = SharedCounters(tmp_path / "metrics")
    for value in (BOUNDS[0], BOUNDS[0] + 0.001, 1e9):
        counters.observe("seconds", value=value)
    buckets = counters.list_series()[0].buckets
    assert (buckets[0], buckets[1], buckets[-1]) == (1, 1, 1)


def test_a_full_table_drops_the_new_and_keeps_the_known(tmp_path: Path) -> None:
    counters = SharedCounters(tmp_path / "metrics", slots=4)
    for number in range(10):
        counters.count("posts", str(number))
    counters.count("posts", "0")
    assert total_of(counters, "posts") == 5
    assert counters.dropped_count == 6


def test_without_a_place_on_disk_it_counts_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("where a folder should be")
    counters = SharedCounters(tmp_path / "file" / "metrics")
    counters.count("posts")
    assert total_of(counters, "posts") == 1
