"""The spool keeps what it took, in order, whoever dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from lib.spool_file import BATCH, Record, SpoolFile


def filled(folder: Path, count: int) -> SpoolFile:
    spool = SpoolFile(folder, "intake")
    for number in range(count):
        spool.append({"number": number})
    return spool


def test_it_hands_over_what_it_took_oldest_first(tmp_path: Path) -> None:
    spool = filled(tmp_path, BATCH * 2 + 3)
    taken: list[Record] = []
    assert spool.drain(taken.extend) == BATCH * 2 + 3
    assert [record["number"] for record in taken] == list(range(BATCH * 2 + 3))
    assert spool.is_empty()
    assert spool.count() == 0


def test_a_batch_that_is_refused_stays_with_all_later_ones(tmp_path: Path) -> None:
    spool = filled(tmp_path, BATCH + 10)
    batches: list[list[Record]] = []

    def take(batch: list[Record]) -> None:
        if batches:
            raise ConnectionError
        batches.append(batch)

    with pytest.raises(ConnectionError):
        spool.drain(take)
    spool.append({"number": BATCH + 10})
    assert spool.count() == 11
    rest: list[Record] = []
    spool.drain(rest.extend)
    assert [record["number"] for record in rest] == list(range(BATCH, BATCH + 11))


def test_a_torn_line_costs_no_other_record_and_is_kept(tmp_path: Path) -> None:
    spool = filled(tmp_path, 2)
    with spool.active.open("ab") as file:
        file.write(b'1234abcd {"number": "half')
    spool.append({"number": 2})
    taken: list[Record] = []
    spool.drain(taken.extend)
    assert [record["number"] for record in taken] == [0, 1, 2]
    assert b"half" in (tmp_path / "intake.torn").read_bytes()


def test_nothing_is_drained_twice_by_two_drainers(tmp_path: Path) -> None:
    spool = filled(tmp_path, 3)
    seen: list[Record] = []

    def take(batch: list[Record]) -> None:
        assert SpoolFile(tmp_path, "intake").drain(seen.extend) == 0
        seen.extend(batch)

    assert spool.drain(take) == 3
    assert len(seen) == 3


def test_a_folder_that_cannot_be_written_raises(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        SpoolFile(tmp_path / "file" / "deeper", "intake").append({})


def _append_many(folder: Path, name: str) -> None:
    spool = SpoolFile(folder, "intake")
    for number in range(150):
        spool.append({"who": name, "number": number})


def _drain_and_die(folder: Path) -> None:
    def take(batch: list[Record]) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    SpoolFile(folder, "intake").drain(take)


def test_several_processes_append_and_drain_at_once(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_append_many, args=(tmp_path, name)) for name in "abc"]
    for writer in writers:
        writer.start()
    taken: list[Record] = []
    spool = SpoolFile(tmp_path, "intake")
    while any(writer.is_alive() for writer in writers):
        spool.drain(taken.extend)
    spool.drain(taken.extend)
    assert len(taken) == 450
    for name in "abc":
        assert [record["number"] for record in taken if record["who"] == name] == list(range(150))


def test_a_drainer_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    spool = filled(tmp_path, 5)
    killed = multiprocessing.get_context("spawn").Process(target=_drain_and_die, args=(tmp_path,))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    taken: list[Record] = []
    assert spool.drain(taken.extend) == 5
