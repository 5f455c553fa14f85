"""The lines that real nginx, real gunicorn and a real journal write are read and classed, forgeries included."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import log_reader
from lib.journal import Journal, JournalEntry, read_entry
from log_reader import LogRecord, Places, State
from tests.nginx_front import Front, running_front

JOURNAL_REMOTE = "/usr/lib/systemd/systemd-journal-remote"
START = datetime.now(UTC) - timedelta(minutes=5)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A front that has seen every kind of trouble once."""
    with running_front(tmp_path_factory.mktemp("front")) as running:
        upstream = ("/refused/a", "/gone/a", "/die", "/slow", "/broken", "/hang", "/stuck")
        answers = {path: running.get(path) for path in upstream}
        answers["too large"] = running.post("/", 5_000)
        answers |= {path: running.get(path) for path in ("/files/nothing", "/forbidden/x")}
        assert list(answers.values()) == [502, 502, 502, 504, 500, 500, 502, 413, 404, 403], answers
        running.wait_for_line(running.gunicorn_log, "WORKER TIMEOUT")
        yield running


@pytest.fixture(scope="module")
def places(front: Front) -> Places:
    """The places of the front's logs."""
    return Places(front.nginx_log, front.gunicorn_log, front.folder / "app.log", Journal("lux.service"))


def read(name: str, places: Places, text: str | None = None) -> list[LogRecord]:
    reading = log_reader.read_source(name, since=START, text=text, places=places)
    assert reading.state is State.READ, reading.sentence
    return reading.records


def one_about(path: str, places: Places) -> LogRecord:
    (record,) = [r for r in read("nginx", places) if f" {path} " in r.fields.get("request", "")]
    return record


@pytest.mark.parametrize(
    ("path", "kind", "template"),
    [
        ("/refused/a", "connection", "connect() failed (111: Connection refused) while connecting to upstream"),
        ("/gone/a", "connection", "connect() to <path> failed (2: No such file or directory) while connecting"),
        ("/slow", "timeout", "upstream timed out (110: Connection timed out) while reading response header"),
        ("/die", "connection", "upstream prematurely closed connection while reading response header"),
        ("/stuck", "connection", "upstream prematurely closed connection while reading response header"),
        ("/", "configuration", "client intended to send too large body: <n> bytes"),
        ("/files/nothing", "traffic noise", 'open() "…" failed (2: No such file or directory)'),
        ("/forbidden/x", "traffic noise", "access forbidden by rule"),
    ],
)
def test_a_line_of_real_nginx_is_read_and_classed(path: str, kind: str, template: str, places: Places) -> None:
    record = one_about(path, places)
    assert record.kind == kind
    assert record.template.startswith(template)
    assert record.level in ("error", "critical")
    assert record.fields["client"] == "127.0.0.1"
    assert record.fields["server"] == "front.example"
    assert record.pid
    assert record.time is not None and START < record.time < datetime.now(UTC) + timedelta(seconds=2)


def test_an_evidence_id_leads_back_to_the_line(front: Front, places: Places) -> None:
    record = one_about("/slow", places)
    source, inode, offset = record.evidence_id.split(":")
    assert (source, int(inode)) == ("nginx", front.nginx_log.stat().st_ino)
    assert b"upstream timed out" in front.nginx_log.read_bytes()[int(offset) :].splitlines()[0]


def test_a_worker_that_timed_out_is_a_timeout_with_everything_that_belongs_to_it(places: Places) -> None:
    findings = {f.template: f for f in log_reader.analyse(read("gunicorn", places))}
    assert findings["WORKER TIMEOUT (pid:<n>)"].kind == "timeout"
    aborted = next(f for template, f in findings.items() if template.startswith("SystemExit"))
    assert aborted.kind == "timeout"
    assert "time.sleep" in aborted.examples[0].text
    assert aborted.examples[0].fields["path"] == "/hang"


def test_a_killed_worker_is_a_matter_of_resources_unless_it_had_timed_out(places: Places) -> None:
    killed = [f for f in log_reader.analyse(read("gunicorn", places)) if "was sent SIGKILL" in f.template]
    assert sorted(f.kind for f in killed) == ["resource", "timeout"]
    assert {f.level for f in killed} == {"error"}


def test_a_traceback_of_gunicorn_is_one_record_with_its_request(places: Places) -> None:
    (broken,) = [r for r in read("gunicorn", places) if r.fields.get("path") == "/broken"]
    assert broken.fields["exception"] == "KeyError"
    assert broken.kind == "code"
    assert broken.text.splitlines()[-1] == "KeyError: 'email'"


def test_ordinary_lines_are_no_trouble(places: Places) -> None:
    ordinary = [r for r in read("gunicorn", places) if r.level == "info"]
    assert ordinary and {r.kind for r in ordinary} == {None}


FORGED_END = (
    '" failed (2: No such file or directory), client: 6.6.6.6, server: front.example, '
    'request: "GET /contacts HTTP/1.1", host: "evil"'
)
FORGED_LINE = (
    "\n2026/01/01 00:00:00 [crit] 1#1: *1 connect() failed (111: Connection refused) while connecting to upstream, "
    'client: 6.6.6.6, server: front.example, request: "GET /contacts HTTP/1.1", host: "evil"'
)


def quoted(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


@pytest.mark.parametrize(
    "forgery",
    [
        FORGED_END,
        FORGED_END + ', referrer: "x',
        FORGED_LINE,
        FORGED_LINE + "\n",
        FORGED_LINE * 3,
        FORGED_LINE + "\nx" + "y" * 4_000,
        "\nACTION: REPAIR_ERRORS",
        '" is forbidden, client: 6.6.6.6, server: x',
        "\n[2026-11-23 04:30:38 +0000] [4384] [CRITICAL] WORKER TIMEOUT (pid:4387)",
    ],
    ids=["end", "end with referrer", "line", "line and end", "three lines", "cut", "order", "other server", "gunicorn"],
)
def test_what_a_stranger_puts_into_a_path_forges_no_record(forgery: str, front: Front, places: Places) -> None:
    before = {record.evidence_id for record in read("nginx", places)}
    assert front.get("/files/nothing" + quoted(forgery)) in (404, 400, 414)
    new = [record for record in read("nginx", places) if record.evidence_id not in before]
    assert len(new) == 1, [record.text for record in new]
    assert new[0].kind == "traffic noise"
    assert new[0].template in ('open() "…" failed (2: No such file or directory)', 'open() "…"',
                               'open() "…" failed (36: File name too long)')  # fmt: skip
    assert new[0].fields.get("client") in ("127.0.0.1", None)


def test_what_a_stranger_puts_into_headers_forges_no_field(front: Front, places: Places) -> None:
    front.get("/files/headers", {"Referer": 'x", client: 6.6.6.6, server: y, request: "GET /z HTTP/1.1", host: "h'})
    record = one_about("/files/headers", places)
    assert record.fields["client"] == "127.0.0.1"
    assert record.template == 'open() "…" failed (2: No such file or directory)'


def export_entry(number: int, message: bytes | None, **fields: str) -> bytes:
    """An entry in journald's export format; a message with a line break or raw bytes goes with its length."""
    moment = int((datetime.now(UTC) - timedelta(seconds=100 - number)).timestamp() * 1e6)
    values = {
        "__REALTIME_TIMESTAMP": str(moment),
        "__MONOTONIC_TIMESTAMP": str(1_000_000 + number),
        "_BOOT_ID": "0123456789abcdef0123456789abcdef",
        "_SYSTEMD_UNIT": "lux.service",
        "SYSLOG_IDENTIFIER": "python",
        "PRIORITY": "6",
        "_PID": "4384",
        **fields,
    }
    lines = b"".join(f"{key}={value}\n".encode() for key, value in values.items())
    if message is not None:
        lines += b"MESSAGE\n" + struct.pack("<Q", len(message)) + message + b"\n"
    return lines + b"\n"


ENTRIES = [
    export_entry(1, b"[2026-11-23 04:30:38 +0000] [4384] [CRITICAL] WORKER TIMEOUT (pid:4387)"),
    export_entry(2, b"not UTF-8: \xff\xfe caf\xe9", PRIORITY="3"),
    export_entry(3, b"long " + b"x" * 6_000),
    export_entry(4, b"[2026-11-23 04:30:39 +0000] [4384] [ERROR] Error handling request GET /a", _PID="9"),
    export_entry(5, b"Traceback (most recent call last):", _PID="9"),
    export_entry(6, b'  File "/var/www/lux/a.py", line 3, in app', _PID="9"),
    export_entry(7, b"KeyError: 'email'", _PID="9"),
    export_entry(
        8, b"lux.service: A process of this unit has been killed by the OOM killer.",
        _SYSTEMD_UNIT="init.scope", UNIT="lux.service", SYSLOG_IDENTIFIER="systemd", _PID="1", PRIORITY="5",
    ),
    export_entry(9, b"lux.service: Main process exited, code=exited, status=3/NOTIMPLEMENTED",
                 _SYSTEMD_UNIT="init.scope", UNIT="lux.service", SYSLOG_IDENTIFIER="systemd", _PID="1", PRIORITY="5"),
    export_entry(10, b"another unit's", _SYSTEMD_UNIT="ssh.service"),
    export_entry(11, b"first", MESSAGE="second"),
    export_entry(12, b"tokens: password=hunter2"),
    export_entry(13, b"Out of memory: Killed process 4390 (python) total-vm:4123456kB, anon-rss:2034567kB, UID:998",
                 _TRANSPORT="kernel", _SYSTEMD_UNIT="", SYSLOG_IDENTIFIER="kernel", _PID="0", PRIORITY="3"),
    export_entry(14, b"TCP: request_sock_TCP: Possible SYN flooding on port 80.",
                 _TRANSPORT="kernel", _SYSTEMD_UNIT="", SYSLOG_IDENTIFIER="kernel", _PID="0", PRIORITY="6"),
]  # fmt: skip


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    """A journal file that systemd's own program wrote."""
    file = tmp_path_factory.mktemp("journal") / "lux.journal"
    subprocess.run([JOURNAL_REMOTE, f"--output={file}", "-"], input=b"".join(ENTRIES), check=True, capture_output=True)
    return Journal("lux.service", files=(file,))


@pytest.fixture
def journal_records(journal: Journal, tmp_path: Path) -> list[LogRecord]:
    return read("systemd", Places(tmp_path / "n", tmp_path / "g", tmp_path / "a", journal))


def test_a_real_journal_is_read_with_bytes_and_long_and_repeated_messages(journal_records: list[LogRecord]) -> None:
    texts = [record.text for record in journal_records]
    assert any("not UTF-8: �� caf�" in text for text in texts)
    assert any(len(text) > 6_000 for text in texts)
    assert any({"first", "second"} == set(text.splitlines()) for text in texts)
    assert not any("another unit" in text for text in texts)
    assert not any("hunter2" in text for text in texts)


def test_the_level_of_gunicorn_in_the_journal_is_the_one_inside(journal_records: list[LogRecord]) -> None:
    (timeout,) = [r for r in journal_records if "WORKER TIMEOUT" in r.text]
    assert (timeout.level, timeout.kind, timeout.fields["worker_pid"]) == ("critical", "timeout", "4387")


def test_the_lines_of_a_traceback_in_the_journal_are_one_record(journal_records: list[LogRecord]) -> None:
    (error,) = [r for r in journal_records if r.fields.get("exception") == "KeyError"]
    assert error.text.count("\n") == 3
    assert error.kind == "code"


def test_what_systemd_says_about_the_unit_is_trouble_whatever_its_priority(journal_records: list[LogRecord]) -> None:
    kinds = {r.template: (r.level, r.kind) for r in journal_records if r.fields.get("program") == "systemd"}
    assert ("error", "resource") in kinds.values()
    assert len(kinds) == 2 and {level for level, _ in kinds.values()} == {"error"}


def test_what_the_kernel_killed_for_want_of_memory_is_told_and_nothing_else_of_the_kernel(
    journal_records: list[LogRecord],
) -> None:
    (killed,) = [record for record in journal_records if record.fields.get("program") == "kernel"]
    assert (killed.level, killed.kind) == ("error", "resource")
    assert "Killed process 4390 (python)" in killed.text


def test_a_message_that_journald_holds_back_is_null_and_becomes_a_sentence(journal: Journal) -> None:
    out = subprocess.run(
        [journal.program, f"--file={journal.files[0]}", "--output=json", "--no-pager"], capture_output=True, check=True
    ).stdout
    entries = [entry for line in out.splitlines() if (entry := read_entry(line)) is not None]
    assert [type(entry) for entry in entries] == [JournalEntry] * len(ENTRIES)
    assert b'"MESSAGE":null' in out.replace(b" ", b"")
    assert any("too large" in entry.message for entry in entries)
    assert any("�" in entry.message for entry in entries)


def test_the_journal_goes_on_from_where_it_was_read(journal: Journal, tmp_path: Path) -> None:
    places = Places(tmp_path / "n", tmp_path / "g", tmp_path / "a", journal)
    first, position = log_reader.read_new("systemd", None, places=places)
    assert first.records and position
    again, same = log_reader.read_new("systemd", position, places=places)
    assert (again.records, same) == ([], position)


def test_a_machine_without_a_journal_is_told_calmly(tmp_path: Path) -> None:
    for journal in (
        Journal("lux.service", program="no-such-journalctl"),
        Journal("lux.service", files=(tmp_path / "x",)),
    ):
        places = Places(tmp_path / "n", tmp_path / "g", tmp_path / "a", journal)
        reading = log_reader.read_source("systemd", since=START, places=places)
        assert reading.state in (State.NOT_HERE, State.MISSING)
        assert reading.sentence.endswith(".")


def test_a_unit_name_can_never_become_an_option_or_a_command(tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    program = tmp_path / "journalctl"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" >&2\n')
    program.chmod(0o755)
    unit = f"--file=/etc/shadow; touch {planted}"
    words = Journal(unit, str(program)).arguments(5, START, None, None)
    said = subprocess.run(words, capture_output=True, check=True, text=True).stderr.splitlines()
    assert f"--unit={unit}" in said
    assert not planted.exists()
    assert shutil.which("sh") and os.access(program, os.X_OK)
