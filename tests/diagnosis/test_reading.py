"""Signals from texts: formats and their shells, bounds, garbage, and what strangers write never counts."""

from __future__ import annotations

import gzip
import io
import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from diagnosis.base import NOTHING_WRONG, UNKNOWN
from diagnosis.deciding import diagnose
from diagnosis.excerpts import Excerpt, read_excerpt
from diagnosis.reading import signals_of_excerpt, signals_of_text
from lib.redaction import Redactor

FULL = "OSError: [Errno 28] No space left on device"
NOISE = (
    '2026/11/23 04:30:33 [error] 812#812: *1 open() "/var/www/html/wp-login.php" failed (2: No such file or '
    "directory), "
    'client: 198.51.100.7, server: lux.example, request: "GET /wp-login.php HTTP/1.1", host: "lux.example"\n'
)
# Words that belong to rules; strangers may write every one of them.
PHRASES = [
    "No space left on device",
    "OSError: [Errno 28] No space left on device",
    "FATAL:  sorry, too many clients already",
    "connect() failed (111: Connection refused) while connecting to upstream",
    "WORKER TIMEOUT (pid:1)",
    "Worker failed to boot.",
    "psycopg.errors.DiskFull: could not extend file",
    "server closed the connection unexpectedly",
    "password authentication failed for user",
    "Out of memory: Killed process 1 (gunicorn)",
    "(535, b'5.7.8 Username and Password not accepted')",
    "insufficient_quota",
    "upstream timed out (110: Connection timed out) while reading response header from upstream",
    "Start request repeated too quickly.",
    "ACTION: REPAIR_ERRORS",
]


def rule_of(text: str) -> str:
    return diagnose(signals_of_text(text))[0].rule


def test_a_text_in_a_container_log_is_read_without_its_margin() -> None:
    text = 'web-1  | Traceback (most recent call last):\nweb-1  |   File "a.py", line 1, in f\nweb-1  | ' + FULL
    assert rule_of(text) == "disk-full"


def test_docker_json_lines_are_read() -> None:
    rows = ["Traceback (most recent call last):\n", '  File "/opt/lux/a.py", line 1, in f\n', FULL + "\n"]
    text = "\n".join(json.dumps({"log": row, "stream": "stderr", "time": "2026-11-23T04:30:00Z"}) for row in rows)
    assert rule_of(text) == "disk-full"


def test_the_journal_as_json_is_read_whatever_its_messages_are() -> None:
    rows = [
        {"__REALTIME_TIMESTAMP": "1795408238000000", "MESSAGE": None, "PRIORITY": "6", "SYSLOG_IDENTIFIER": "gunicorn"},
        {"__REALTIME_TIMESTAMP": "1795408238000000", "MESSAGE": [79, 107], "PRIORITY": "6"},
        {"__REALTIME_TIMESTAMP": "1795408239000000", "MESSAGE": FULL, "PRIORITY": "3", "SYSLOG_IDENTIFIER": "lux"},
    ]
    assert rule_of("\n".join(json.dumps(row) for row in rows)) == "disk-full"


def test_colours_and_line_ends_of_other_systems_do_not_matter() -> None:
    assert rule_of(f"\x1b[31m{FULL}\x1b[0m\r\n") == "disk-full"


def test_a_traceback_of_an_exception_group_is_read() -> None:
    text = (
        "  + Exception Group Traceback (most recent call last):\n"
        "  | ExceptionGroup: several (1 sub-exception)\n"
        "  +-+---------------- 1 ----------------\n"
        "    | Traceback (most recent call last):\n"
        '    |   File "/opt/lux/a.py", line 1, in f\n'
        f"    | {FULL}\n"
        "    +------------------------------------\n"
    )
    assert rule_of(text) == "disk-full"


def test_the_innermost_cause_counts_when_the_last_exception_says_nothing() -> None:
    text = (
        "Traceback (most recent call last):\n"
        '  File "/opt/lux/a.py", line 1, in f\n'
        f"{FULL}\n\n"
        "The above exception was the direct cause of the following exception:\n\n"
        "Traceback (most recent call last):\n"
        '  File "/opt/lux/a.py", line 4, in g\n'
        "RuntimeError: the export could not be written\n"
    )
    assert rule_of(text) == "disk-full"


def test_the_evidence_is_the_number_of_the_line() -> None:
    signals = signals_of_text("\n\n" + NOISE + FULL)
    assert diagnose(signals)[0].evidence == ("text:4",)


def test_a_long_file_is_read_at_its_beginning_and_its_end_and_lines_keep_their_numbers() -> None:
    data = (FULL + "\n" + NOISE * 60_000 + "jinja2.exceptions.TemplateNotFound: a.html\n").encode()
    found = diagnose(signals_of_excerpt(read_excerpt(io.BytesIO(data))))
    assert {diagnosis.rule: diagnosis.evidence for diagnosis in found} == {
        "disk-full": ("text:1",),
        "template-missing": ("text:60002",),
    }


def test_an_excerpt_in_memory_counts_its_lines_as_a_file_does() -> None:
    text = FULL + "\n" + NOISE * 60_000 + "jinja2.exceptions.TemplateNotFound: a.html\n"
    assert Excerpt.of_text(text).skipped_lines > 0
    assert {d.rule: d.evidence for d in diagnose(signals_of_text(text))}["template-missing"] == ("text:60002",)


def test_a_packed_file_is_unpacked() -> None:
    packed = gzip.compress((NOISE * 100 + FULL).encode())
    assert diagnose(signals_of_excerpt(read_excerpt(io.BytesIO(packed))))[0].rule == "disk-full"


def test_a_packed_file_that_is_cut_is_no_error() -> None:
    packed = gzip.compress(FULL.encode())[:20]
    assert read_excerpt(io.BytesIO(packed)) == Excerpt("")


def test_text_of_windows_is_read() -> None:
    assert diagnose(signals_of_excerpt(read_excerpt(io.BytesIO(FULL.encode("utf-16")))))[0].rule == "disk-full"


def test_secrets_do_not_leave_in_signals() -> None:
    redactor = Redactor.knowing(["correct-horse-battery"])
    signals = signals_of_text(f"{FULL}: correct-horse-battery\nRuntimeError: password=hunter2hunter2", redactor)
    shown = " ".join(signal.text for signal in signals)
    assert "correct-horse-battery" not in shown
    assert "hunter2hunter2" not in shown


@given(st.binary(max_size=3000))
@settings(max_examples=150, deadline=None)
@example(b"\x00" * 100)
@example(b"{" * 3000)
@example(b"[" * 3000)
@example(b'{"MESSAGE": {"a": 1}}')
@example(b'{"error": {"message": 4, "code": []}}')
@example(b'{"errors": [{"error_type": 4, "error_message": null, "error_stack": {}}]}')
@example(b'{"checks": {"a": []}, "status": "fail"}')
@example(b"2026/11/23 04:30:33 [error] 1#1: *1 ")
@example(b"Traceback (most recent call last):\n")
def test_whatever_bytes_come_there_is_an_answer(data: bytes) -> None:
    found = diagnose(signals_of_excerpt(read_excerpt(io.BytesIO(data))))
    assert json.dumps([diagnosis.as_row() for diagnosis in found])


@given(st.lists(st.sampled_from([*PHRASES, FULL, NOISE, "Traceback (most recent call last):",
'  File "a", line 1, in b',
                                 '{"MESSAGE": "x"', ", client: 1.2.3.4, server: a", "\x1b[0m", "  | ", "DETAIL:  x"]),
                                 max_size=30))  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_any_order_of_log_like_lines_gives_an_answer(lines: list[str]) -> None:
    assert diagnose(signals_of_text("\n".join(lines)))


@given(phrase=st.sampled_from(PHRASES), place=st.integers(0, 6))
@settings(max_examples=105, deadline=None)
def test_what_a_stranger_writes_into_a_request_is_no_evidence(phrase: str, place: int) -> None:
    quoted = phrase.replace('"', "%22")
    texts = [
        f'203.0.113.9 - - [23/Nov/2026:04:30:33 +0000] "GET /{quoted} HTTP/1.1" 404 157 "-" "{quoted}"',
        f'2026/11/23 04:30:30 [error] 8#8: *1 open() "/var/www/html/{quoted}" failed (2: No such file or directory), '
        f'client: 198.51.100.7, server: a, request: "GET /{quoted} HTTP/1.1", host: "{quoted}", referrer: "{quoted}"',
        f"2026/11/23 04:30:30 [error] 8#8: *1 access forbidden by rule, client: 198.51.100.7, server: a, "
        f'request: "GET / '
        f'HTTP/1.1", host: "a", referrer: "{quoted}"',
        f"[2026-11-23 04:30:33 +0000] [4386] [WARNING] Invalid request from ip=198.51.100.7: Invalid HTTP "
        f"request line: '{quoted}'",
        f'2026-11-23T04:30:00.104Z INFO web 811 ab12cd34ef56ab12 lux.contacts: Contact "{quoted}" was added',
        f"2026-11-23T04:30:00.104Z WARNING web 811 ab12cd34ef56ab12 lux.contacts: Contact "
        f"'{quoted.replace(chr(39), '')}' was refused",
        f'203.0.113.9 - - [23/Nov/2026:04:30:33 +0000] "GET / HTTP/1.1" 200 157 "{quoted}" "{quoted}"',
    ]
    assert rule_of(texts[place]) in (NOTHING_WRONG, UNKNOWN)


@given(phrase=st.sampled_from(PHRASES))
@settings(max_examples=len(PHRASES), deadline=None)
def test_what_a_stranger_types_into_a_value_is_no_evidence(phrase: str) -> None:
    trace = 'Traceback (most recent call last):\n  File "/opt/lux/pages/contacts.py", line 4, in add\n    int(value)\n'
    assert rule_of(f"{trace}ValueError: invalid literal for int() with base 10: {phrase!r}") == UNKNOWN
    detail = f"DETAIL:  Key (name)=({phrase}) already exists."
    constraint = 'psycopg.errors.UniqueViolation: duplicate key value violates unique constraint "contacts_name_key"'
    assert rule_of(f"{trace}{constraint}\n{detail}") == "unique-violation"
    assert rule_of(f"{constraint}\n{detail}") == "unique-violation"
