"""No text makes the reading of lines raise, and what a stranger writes into a quotation reaches no template."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

import log_reader
from lib.joined_lines import join_lines
from lib.log_lines import FORMATS, read_any, read_app, read_gunicorn, read_nginx
from lib.log_templates import final_exception, nginx_template, template_of

PIECES = st.sampled_from(
    [
        "2026/11/23 05:00:01 [error] 7#7: *5 ",
        "2026/99/23 05:00:01 [error] 7#7: *5 ",
        'open() "',
        '" failed (2: No such file or directory)',
        ", client: 1.2.3.4, server: x",
        ', request: "GET / HTTP/1.1"',
        ', host: "x"',
        "[2026-11-23 04:30:33 +0000] [4384] [ERROR] ",
        "[2026-11-23 04:30:33 +9999] [4384] [ERROR] ",
        "Traceback (most recent call last):\n",
        '  File "a.py", line 1, in x\n',
        "KeyError: 'email'\n",
        "During handling of the above exception, another exception occurred:\n",
        "Nov 31 05:00:01 host systemd[1]: ",
        '{"message": "x", "level": "ERROR", "time": "never"}',
        "  | ",
        "\n",
        "\n\n",
        "\x00",
    ]
)


@given(st.lists(st.one_of(PIECES, st.text(max_size=20)), max_size=14).map("".join))
def test_any_text_is_read_and_analysed(text: str) -> None:
    records = log_reader.read_text(text)
    log_reader.analyse(records)
    assert all(record.time is None or record.time.tzinfo is not None for record in records)


@given(st.text())
def test_every_format_says_none_or_a_head(line: str) -> None:
    for read in (*FORMATS.values(), read_any):
        read(line)
    final_exception(line)
    template_of(line)
    join_lines([], read_any)


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=80).map(lambda text: text.replace("\n", " "))
)
def test_nothing_of_a_quoted_path_reaches_the_template_of_nginx(path: str) -> None:
    line = f'2026/11/23 05:00:01 [error] 7#7: *5 open() "/srv/STRANGER{path}" failed (2: No such file or directory), '
    head = read_nginx(line + 'client: 1.2.3.4, server: x, request: "GET /y HTTP/1.1", host: "h"')
    assert head is not None
    template = nginx_template(head.message)
    assert template in ('open() "…" failed (2: No such file or directory)', 'open() "…"')


def test_gunicorns_zone_is_honoured_and_times_are_utc() -> None:
    head = read_gunicorn("[2026-11-23 04:30:33 -0330] [7] [CRITICAL] WORKER TIMEOUT (pid:9)")
    assert head is not None
    assert head.time == datetime(2026, 11, 23, 8, 0, 33, tzinfo=UTC)
    assert (head.pid, head.level, head.fields) == (7, "critical", {"worker_pid": "9"})


def test_nginx_writes_the_machines_own_time() -> None:
    head = read_nginx("2026/11/23 05:00:01 [warn] 7#7: conflicting server name")
    assert head is not None and head.time is not None
    assert head.time.astimezone().replace(tzinfo=None) == datetime(2026, 11, 23, 5, 0, 1)


def test_the_request_id_of_the_apps_log_is_read() -> None:
    head = read_app("2026-11-23T05:00:01.123Z ERROR [7] [abcdef0123456789] lux.x: no")
    assert head is not None
    assert (head.request_id, head.fields["logger"], head.message) == ("abcdef0123456789", "lux.x", "no")


def test_templates_leave_out_what_varies_and_keep_what_says_what_happened() -> None:
    for message, template in {
        "Message 17 to a***@example.com took 3.5 s": "Message <n> to <address> took <n> s",
        "connect() failed (111: Connection refused)": "connect() failed (111: Connection refused)",
        "OSError: [Errno 28] No space left on device: '/var/x'": 'OSError: [Errno 28] No space left on device: "…"',
        "Error code: 401 - see https://example.com/x?y=1": "Error code: 401 - see <url>",
        "at 10.0.0.1:5432 since 2026-11-23 04:30:33": "at <ip> since <time>",
        "run 0194f5a0-7c1e-7d3b-9f11-2b6a3a5e8c9d of /var/www/lux": "run <id> of <path>",
        "Key (email)=(ann) already exists.": "Key (email)=(…) already exists.",
    }.items():
        assert template_of(message) == template
