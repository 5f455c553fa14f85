"""The segments of a spool: each line is read once by whoever holds its segment, whatever other processes do."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from lib.segment_spool import SegmentSpool

ROUNDS = 3_000


def take_all(spool: SegmentSpool, taken: list[int]) -> None:
    """What a process does that takes over what dead ones have left."""
    for segment in spool.list_abandoned():
        taken.extend(record["number"] for record in segment.read())
        segment.remove()


def until(is_over: threading.Event, action: Callable[[], None]) -> None:
    while not is_over.is_set():
        action()


def test_a_segment_that_has_just_been_made_is_never_taken_from_its_owner(tmp_path: Path) -> None:
    owner, other = SegmentSpool(tmp_path), SegmentSpool(tmp_path)
    read: list[int] = []
    taken: list[int] = []
    is_over = threading.Event()
    threads = [threading.Thread(target=until, args=(is_over, lambda: take_all(other, taken))) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(ROUNDS):
            owner.append({"number": number})
            segment = owner.seal()
            assert segment is not None
            assert segment.path.exists()
            read.extend(record["number"] for record in segment.read())
            segment.remove()
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert read == list(range(ROUNDS))
    assert taken == []
    assert list(tmp_path.iterdir()) == []


def test_what_somebody_deleted_is_still_read_by_its_owner(tmp_path: Path) -> None:
    spool = SegmentSpool(tmp_path / "spool")
    spool.append({"number": 1})
    shutil.rmtree(tmp_path / "spool")
    spool.append({"number": 2})
    segment = spool.seal()
    assert segment is not None
    assert [record["number"] for record in segment.read()] == [1, 2]
    segment.remove()
    spool.append({"number": 3})
    assert spool.count_waiting_bytes() > 0


def test_what_a_process_left_is_taken_over_once_and_a_half_line_is_passed_over(tmp_path: Path) -> None:
    dead, living = SegmentSpool(tmp_path), SegmentSpool(tmp_path)
    dead.append({"number": 1})
    assert list(living.list_abandoned()) == []
    left = dead.seal()
    assert left is not None
    left.release()
    with left.path.open("ab") as file:
        file.write(b'{"number": ')
    taken: list[int] = []
    take_all(living, taken)
    take_all(living, taken)
    assert taken == [1]
