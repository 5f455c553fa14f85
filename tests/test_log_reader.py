"""Logs are read back from their end, across rotation, within bounds; what cannot be read is said calmly."""

from __future__ import annotations

import gzip
import json
import logging
import multiprocessing
import os
import shutil
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import log_reader
from lib.app_log import AppLogFormatter
from lib.backwards_file import Budget
from lib.journal import Journal
from lib.redaction import Redactor
from log_reader import PERMISSION_COMMAND, SOURCES, LogRecord, Places, SourceReading, State

NOW = datetime.now(UTC)
SINCE = NOW - timedelta(hours=1)
FIXTURES = Path(__file__).parent / "fixtures" / "ops_records.jsonl"
# What each real text is about, as somebody who looks after LUX would sort it.
KINDS = {
    "pg_unique": {"code"},
    "pg_undefined_table": {"configuration"},
    "pg_undefined_column": {"configuration"},
    "pg_notnull": {"code"},
    "pg_refused": {"connection"},
    "pg_terminated": {"connection"},
    "pg_toomany": {"resource"},
    "pg_password": {"authentication"},
    "smtp_535": {"authentication"},
    "smtp_421": {"resource"},
    "openai_401": {"authentication"},
    "openai_quota": {"resource"},
    "openai_model": {"configuration"},
    "openai_timeout": {"timeout"},
    "openai_nokey": {"configuration"},
    "jwt_expired": {"authentication"},
    "jwt_sig": {"authentication"},
    "oauth_invalid_grant": {"authentication"},
    "jinja_notfound": {"code"},
    "webhook_keyerror": {"code"},
    "flask_400_json": {"traffic noise"},
    "csv_unicode": {"code"},
    "enospc": {"resource"},
    "gunicorn_mix": {"timeout", "resource", "configuration"},
}


def gunicorn_line(number: int, minutes_ago: float = 1, level: str = "INFO") -> str:
    moment = (NOW - timedelta(minutes=minutes_ago)).strftime("%Y-%m-%d %H:%M:%S +0000")
    return f"[{moment}] [4384] [{level}] Line {number}\n"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Four sources in a folder of the test's own; none is there yet."""
    return Places(tmp_path / "error.log", tmp_path / "gunicorn.err", tmp_path / "app.log", Journal("lux.service"))


def read(places: Places, name: str = "gunicorn", **options: Any) -> SourceReading:
    return log_reader.read_source(name, places=places, **{"since": SINCE, **options})


def numbers(records: list[LogRecord]) -> list[int]:
    return [int(record.text.rpartition(" ")[2]) for record in records]


def real_texts() -> list[dict[str, str]]:
    return [json.loads(line) for line in FIXTURES.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("row", real_texts(), ids=lambda row: row["id"])
def test_a_real_text_is_read_and_classed(row: dict[str, str]) -> None:
    findings = log_reader.analyse(log_reader.read_text(row["text"]))
    assert {finding.kind for finding in findings} == KINDS[row["id"]]


def test_every_real_text_has_its_kind() -> None:
    assert {row["id"] for row in real_texts()} == set(KINDS)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("2026/11/23 05:00:01 [crit] 7#7: *5 connect() to unix:/run/lux.sock failed (13: Permission denied) while "
         'connecting to upstream, client: 1.2.3.4, server: _, request: "GET / HTTP/1.1", host: "x"', "configuration"),
        ("2026/11/23 05:00:01 [error] 7#7: *5 no live upstreams while connecting to upstream, client: 1.2.3.4, "
         'server: _, request: "GET / HTTP/1.1", upstream: "http://lux/", host: "x"', "connection"),
        ("2026/11/23 05:00:01 [emerg] 7#7: bind() to 0.0.0.0:80 failed (98: Address already in use)", "configuration"),
        ("2026/11/23 05:00:01 [alert] 7#7: 768 worker_connections are not enough", "resource"),
        ("2026/11/23 05:00:01 [crit] 7#7: *5 SSL_do_handshake() failed (SSL: error:0A00006C:SSL routines::bad key "
         "share) while SSL handshaking, client: 1.2.3.4, server: 0.0.0.0:443", "traffic noise"),
        ("2026/11/23 05:00:01 [notice] 7#7: signal process started", None),
        ('1.2.3.4 - - [23/Nov/2026:05:00:01 +0000] "GET /wp-login.php HTTP/1.1" 404 12 "-" "bot"', "traffic noise"),
        ('1.2.3.4 - - [23/Nov/2026:05:00:01 +0000] "GET / HTTP/1.1" 499 0 "-" "x"', "traffic noise"),
        ('1.2.3.4 - - [23/Nov/2026:05:00:01 +0000] "GET / HTTP/1.1" 504 0 "-" "x"', "timeout"),
        ('1.2.3.4 - - [23/Nov/2026:05:00:01 +0000] "GET / HTTP/1.1" 200 99 "-" "x"', None),
        ("2026-11-23 05:00:01.123 UTC [77] lux@lux FATAL:  sorry, too many clients already", "resource"),
        ("2026-11-23 05:00:01.123 UTC [77] PANIC:  could not write to file: No space left on device", "resource"),
        ("2026-11-23 05:00:01.123 UTC [77] LOG:  checkpoint complete", None),
        ("2026-11-23 05:00:01.123 UTC [77] lux@lux ERROR:  deadlock detected", "code"),
        ("Nov 23 05:00:01 host systemd[1]: lux.service: Main process exited, code=killed, status=9/KILL", "resource"),
        ("Nov 23 05:00:01 host systemd[1]: lux.service: Start request repeated too quickly.", "configuration"),
        ("Nov 23 05:00:01 host kernel: Out of memory: Killed process 77 (python3)", "resource"),
        ("Nov 23 05:00:01 host systemd[1]: Started lux.service - LUX.", None),
        ("[2026-11-23 05:00:01 +0000] [7] [INFO] Handling signal: term", None),
        ("[2026-11-23 05:00:01,123] ERROR in app: Exception on / [GET]", "code"),
        ("2026-11-23T05:00:01.123Z WARNING [7] [abcdef0123456789] lux.clock: The clock gives way.", None),
        ("2026-11-23T05:00:01.123Z ERROR [7] [-] lux.mail: (535, b'5.7.8 not accepted')", "authentication"),
        ("sqlalchemy.exc.TimeoutError", None),
    ],
)  # fmt: skip
def test_its_neighbours_are_classed_too(line: str, kind: str | None) -> None:
    (record,) = log_reader.read_text(line)
    assert record.kind == kind


def test_wrapped_exceptions_are_classed_by_what_they_wrap() -> None:
    head = 'Traceback (most recent call last):\n  File "a.py", line 1, in x\n'
    for exception, kind in {
        "sqlalchemy.exc.OperationalError: (psycopg.OperationalError) connection failed: refused": "connection",
        "sqlalchemy.exc.TimeoutError: QueuePool limit of size 8 overflow 4 reached, timed out": "timeout",
        "psycopg.errors.TooManyConnections: sorry, too many clients already": "resource",
        "psycopg.errors.QueryCanceled: canceling statement due to statement timeout": "timeout",
        "openai.APIConnectionError: Connection error.": "connection",
        "socket.gaierror: [Errno -2] Name or service not known": "connection",
        "lux.CustomThing: whatever": "code",
    }.items():
        (record,) = log_reader.read_text(head + exception)
        assert record.kind == kind, exception


def test_a_kill_right_after_the_timeout_of_the_same_worker_is_the_timeout() -> None:
    text = (
        "[2026-11-23 04:30:38 +0000] [1] [CRITICAL] WORKER TIMEOUT (pid:7)\n"
        "[2026-11-23 04:30:39 +0000] [1] [ERROR] Worker (pid:7) was sent SIGKILL! Perhaps out of memory?\n"
        "[2026-11-23 04:30:39 +0000] [1] [ERROR] Worker (pid:8) was sent SIGKILL! Perhaps out of memory?\n"
        "[2026-11-23 04:50:39 +0000] [1] [ERROR] Worker (pid:7) was sent SIGKILL! Perhaps out of memory?\n"
    )
    kinds = {(f.kind, f.count) for f in log_reader.analyse(log_reader.read_text(text)) if "SIGKILL" in f.template}
    assert kinds == {("timeout", 1), ("resource", 2)}


def test_findings_count_everything_and_keep_twenty_examples() -> None:
    text = "".join(gunicorn_line(n, minutes_ago=60 - n, level="ERROR") for n in range(50))
    (finding,) = log_reader.analyse(log_reader.read_text(text))
    assert (finding.count, len(finding.examples), finding.template) == (50, 20, "Line <n>")
    assert finding.first is not None and finding.last is not None
    assert finding.last - finding.first == timedelta(minutes=49)


def test_it_reads_since_until_level_and_text(places: Places) -> None:
    lines = [gunicorn_line(n, minutes_ago=100 - n - 0.1, level="ERROR" if n % 2 else "INFO") for n in range(100)]
    places.gunicorn.write_text("".join(lines))
    assert numbers(read(places).records) == list(range(40, 100))
    until = NOW - timedelta(minutes=49, seconds=30)
    assert numbers(read(places, until=until).records)[-1] == 50
    assert {record.level for record in read(places, level="warning").records} == {"error"}
    assert numbers(read(places, text="LINE 77").records) == [77]
    assert read(places, text="no such thing").sentence.endswith("Nothing in it fits what was asked for.")


def test_the_window_reaches_back_into_the_rotated_file(places: Places) -> None:
    places.gunicorn.with_name("gunicorn.err.1").write_text("".join(gunicorn_line(n, 30) for n in range(5)))
    places.gunicorn.write_text("".join(gunicorn_line(n, 3) for n in range(5, 9)))
    reading = read(places)
    assert numbers(reading.records) == list(range(9))
    assert len({record.evidence_id.split(":")[1] for record in reading.records}) == 2
    recent = read(places, since=NOW - timedelta(minutes=10))
    assert numbers(recent.records) == list(range(5, 9))


def test_a_file_that_is_rotated_while_it_is_read_loses_and_doubles_nothing(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    places.gunicorn.write_text("".join(gunicorn_line(n) for n in range(5)))
    true_pread, was_rotated = os.pread, False

    def rotate_first(descriptor: int, length: int, position: int) -> bytes:
        nonlocal was_rotated
        if not was_rotated:
            was_rotated = True
            places.gunicorn.rename(places.gunicorn.with_name("gunicorn.err.1"))
            places.gunicorn.write_text(gunicorn_line(5))
        return true_pread(descriptor, length, position)

    monkeypatch.setattr(os, "pread", rotate_first)
    assert numbers(read(places).records) == list(range(6))


def test_a_file_that_is_copied_and_truncated_while_it_is_read_loses_and_doubles_nothing(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    places.gunicorn.write_text("".join(gunicorn_line(n) for n in range(5)))
    true_pread, was_cut = os.pread, False

    def cut_first(descriptor: int, length: int, position: int) -> bytes:
        nonlocal was_cut
        if not was_cut:
            was_cut = True
            shutil.copy(places.gunicorn, places.gunicorn.with_name("gunicorn.err.1"))
            places.gunicorn.write_text(gunicorn_line(5))
        return true_pread(descriptor, length, position)

    monkeypatch.setattr(os, "pread", cut_first)
    assert numbers(read(places).records) == list(range(6))


def settled(path: Path) -> None:
    """As if the file had been written a while ago."""
    os.utime(path, (NOW.timestamp() - 60, NOW.timestamp() - 60))


def follow(places: Places, position: str | None) -> tuple[list[int], str | None]:
    settled(places.gunicorn)
    reading, position = log_reader.read_new("gunicorn", position, places=places)
    return numbers(reading.records), position


def test_following_goes_on_where_it_stopped_across_rotation_and_truncation(places: Places) -> None:
    path = places.gunicorn
    path.write_text(gunicorn_line(1))
    seen, position = follow(places, None)
    assert seen == [1]
    with path.open("a") as log:
        log.write(gunicorn_line(2))
    seen, position = follow(places, position)
    assert seen == [2]
    with path.open("a") as log:
        log.write(gunicorn_line(3))
    path.rename(path.with_name("gunicorn.err.1"))
    path.write_text(gunicorn_line(4))
    seen, position = follow(places, position)
    assert seen == [3, 4]
    with path.open("a") as log:
        log.write(gunicorn_line(5))
    shutil.copy(path, path.with_name("gunicorn.err.1"))
    path.write_text("")
    seen, position = follow(places, position)
    assert seen == [5]
    with path.open("a") as log:
        log.write(gunicorn_line(6))
    assert follow(places, position)[0] == [6]


def test_following_leaves_a_line_that_is_still_being_written(places: Places) -> None:
    places.gunicorn.write_text(gunicorn_line(1) + gunicorn_line(2)[:-4])
    seen, position = follow(places, None)
    assert seen == [1]
    places.gunicorn.write_text(gunicorn_line(1) + gunicorn_line(2))
    assert follow(places, position)[0] == [2]


def test_following_waits_for_the_rest_of_a_traceback(places: Places) -> None:
    begun = gunicorn_line(1) + gunicorn_line(2, level="ERROR").replace("Line 2", "Exception in worker process")
    places.gunicorn.write_text(begun + "Traceback (most recent call last):\n")
    reading, position = log_reader.read_new("gunicorn", None, places=places)
    assert numbers(reading.records) == [1]
    with places.gunicorn.open("a") as log:
        log.write('  File "a.py", line 1, in x\nKeyError: 1\n')
    settled(places.gunicorn)
    reading, _ = log_reader.read_new("gunicorn", position, places=places)
    assert [record.fields["exception"] for record in reading.records] == ["KeyError"]


def test_following_gets_past_a_line_without_an_end(places: Places) -> None:
    places.gunicorn.write_bytes(gunicorn_line(1).encode() + b"x" * 3_000_000)
    position: str | None = f"{places.gunicorn.stat().st_ino}:0"
    for _ in range(4):
        _, position = log_reader.read_new("gunicorn", position, places=places)
    assert position is not None and int(position.partition(":")[2]) > 1_000_000


def test_what_is_not_there_is_said_calmly(places: Places, tmp_path: Path) -> None:
    assert read(places).state is State.MISSING
    elsewhere = Places(tmp_path / "no" / "error.log", places.gunicorn, places.app, places.journal)
    assert read(elsewhere, "nginx").state is State.NOT_HERE
    places.gunicorn.write_text("")
    assert read(places).state is State.EMPTY
    places.gunicorn.unlink()
    with gzip.open(places.gunicorn.with_name("gunicorn.err.2.gz"), "wt") as old:
        old.write(gunicorn_line(1))
    assert read(places).state is State.MISSING
    places.gunicorn.write_text("")
    assert read(places).state is State.ROTATED_AWAY


def test_all_four_sources_answer_whatever_is_there(places: Places) -> None:
    readings = log_reader.read_all(since=SINCE, places=places)
    assert [reading.source for reading in readings] == list(SOURCES)
    assert all(reading.sentence.endswith(".") and not reading.records for reading in readings)


def test_an_unknown_source_is_a_mistake_of_the_program(places: Places) -> None:
    with pytest.raises(ValueError, match="no log source 'shadow'"):
        read(places, "shadow")


def as_nobody(work: Callable[[], object]) -> Any:
    """Runs work in a process of its own, as a user without rights when this one has them all."""
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()

    def run() -> None:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
        answers.put(work())

    process = context.Process(target=run)
    process.start()
    answer = answers.get()
    process.join(10)
    return answer


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_log_that_lux_may_not_read_names_the_command_that_helps(places: Places, is_folder: bool) -> None:
    folder = places.gunicorn.parent
    if not is_folder:
        for parent in (folder, *folder.parents[:2]):
            parent.chmod(0o755)
    places.gunicorn.write_text(gunicorn_line(1))
    (folder if is_folder else places.gunicorn).chmod(0)
    state, sentence = as_nobody(lambda: (read(places).state.value, read(places).sentence))
    folder.chmod(0o755)
    assert state == "not permitted"
    assert PERMISSION_COMMAND == "usermod -aG adm,systemd-journal lux"
    assert PERMISSION_COMMAND in sentence


def test_a_pipe_in_place_of_a_log_is_refused_without_waiting(places: Places) -> None:
    os.mkfifo(places.gunicorn)
    assert read(places).state is State.REFUSED
    assert log_reader.read_new("gunicorn", None, places=places)[0].state is State.REFUSED


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "..", "/dev/zero"])
def test_a_link_out_of_the_folder_is_refused(places: Places, tmp_path: Path, target: str) -> None:
    (tmp_path.parent / "secret").write_text(gunicorn_line(1))
    places.gunicorn.symlink_to(target)
    reading = read(places)
    assert reading.state in (State.REFUSED, State.MISSING)
    assert not reading.records


def test_a_link_to_a_neighbour_is_followed_once(places: Places, tmp_path: Path) -> None:
    (tmp_path / "today.err").write_text(gunicorn_line(1))
    places.gunicorn.symlink_to("today.err")
    assert numbers(read(places).records) == [1]
    places.gunicorn.unlink()
    (tmp_path / "second").symlink_to("/etc/passwd")
    places.gunicorn.symlink_to("second")
    assert not read(places).records


def test_a_huge_sparse_log_is_read_in_little_memory(places: Places) -> None:
    with places.gunicorn.open("wb") as log:
        log.seek(10 * 1024**3)
        log.write(b"\n" + "".join(gunicorn_line(n) for n in range(3_000)).encode())
    tracemalloc.start()
    reading = read(places, budget=Budget(seconds=30))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    places.gunicorn.unlink()
    assert numbers(reading.records) == list(range(1_000, 3_000))
    assert reading.is_cut
    assert peak < 20 * 1024**2


def test_a_log_of_one_endless_line_stays_within_its_budget(places: Places) -> None:
    with places.gunicorn.open("wb") as log:
        log.truncate(10 * 1024**3)
    tracemalloc.start()
    reading = read(places, budget=Budget(seconds=30))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    places.gunicorn.unlink()
    assert not reading.records
    assert peak < 20 * 1024**2


def test_a_spent_budget_is_said(places: Places) -> None:
    places.gunicorn.write_text("".join(gunicorn_line(n) for n in range(100)))
    reading = read(places, budget=Budget(lines=10))
    assert numbers(reading.records) == list(range(90, 100))
    assert reading.is_cut
    assert "stopped at its limit" in reading.sentence


def test_one_line_with_an_old_date_hides_nothing_behind_it(places: Places) -> None:
    lines = [gunicorn_line(1), gunicorn_line(2, minutes_ago=50_000), gunicorn_line(3)]
    places.gunicorn.write_text("".join(lines))
    assert numbers(read(places).records) == [1, 3]


def test_secrets_in_a_log_are_not_shown(places: Places) -> None:
    places.gunicorn.write_text(gunicorn_line(1).replace("Line", "password=hunter2 from ann@example.com Line"))
    (record,) = read(places).records
    assert "hunter2" not in repr(record)
    assert "ann@" not in repr(record)


def test_bytes_that_are_no_text_are_read_all_the_same(places: Places) -> None:
    places.gunicorn.write_bytes(gunicorn_line(1).encode().replace(b"Line", b"\xff\x00\xfe Line"))
    assert numbers(read(places).records) == [1]


def test_the_apps_own_log_is_read_as_it_was_written_and_no_text_poses_as_a_head(places: Places) -> None:
    formatter = AppLogFormatter("web", Redactor(), lambda: "abcdef0123456789")
    record = logging.LogRecord("lux.x", logging.ERROR, "", 0, "bad: %s", ("a\n" + gunicorn_line(1),), None)
    try:
        raise KeyError("email")
    except KeyError as error:
        record.exc_info = (KeyError, error, error.__traceback__)
    forged = logging.LogRecord(
        "lux.x", logging.INFO, "", 0, "x\n2026-11-23T05:00:01.123Z CRITICAL web 1 - lux: forged", (), None
    )
    places.app.write_text(f"{formatter.format(record)}\n{formatter.format(forged)}\n")
    error_record, calm = read(places, "app").records
    assert (error_record.level, error_record.request_id, error_record.pid) == ("error", "abcdef0123456789", os.getpid())
    assert error_record.fields == {"logger": "lux.x", "process": "web", "exception": "KeyError"}
    assert error_record.time is not None and abs(error_record.time - datetime.now(UTC)) < timedelta(minutes=5)
    assert (calm.level, calm.kind) == ("info", None)


def test_a_json_line_of_the_app_is_read(places: Places) -> None:
    row = {"time": NOW.isoformat(), "level": "ERROR", "message": "no", "pid": 5, "request_id": "abc", "logger": "lux"}
    places.app.write_text(json.dumps(row) + "\n")
    (record,) = read(places, "app").records
    assert (record.level, record.pid, record.request_id, record.template) == ("error", 5, "abc", "no")
