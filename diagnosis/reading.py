"""Reads signals out of texts: log excerpts, tracebacks, messages, JSON; bounded in size, whatever the text holds.

What strangers can write (requests, user agents, names, quoted values) never becomes `said`, which is what rules read.
To add a format of log lines, see lib/log_lines.py; a format of single lines without a head, diagnosis/bare_lines.py.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

from diagnosis.bare_lines import is_like_log, read_bare, says_trouble, strip_journal
from diagnosis.base import Signal
from diagnosis.codes import codes_of
from diagnosis.excerpts import Excerpt
from diagnosis.json_texts import (
    find_service_error,
    health_signals,
    is_settled_row,
    lines_of_row,
    list_rows,
    parse,
    text_of_row,
)
from diagnosis.thinning import thin_out
from diagnosis.tracebacks import Raised, parse_bare, parse_tracebacks, unwrap
from lib.backwards_file import Line
from lib.joined_lines import Joined, join_lines
from lib.log_classes import class_of
from lib.log_lines import Head, is_at_least, read_any, read_app
from lib.log_templates import nginx_template
from lib.redaction import Redactor

LONGEST_LINE = 16_000
MOST_LINES = 20_000
LONGEST_TEXT = 2_000
_COLOURS = re.compile(r"\x1b\[[0-9;]{0,12}[A-Za-z]")
_CONTAINER = re.compile(r"[\w.-]{1,60} {1,20}\| ")
_QUOTED = re.compile(
    r"\"[^\"\n]{0,2000}\"|(?<!\w)b?'[^'\n]{0,2000}'(?!\w)|`[^`\n]{0,2000}`|«[^»\n]{0,500}»|„[^“”\n]{0,500}[“”]"
)
_PID = re.compile(r"\(pid: ?(\d{1,9})\)")
_UNIT = re.compile(r"[\w@.:-]{1,80}\.(?:service|socket|timer|scope): ")
_DEED = re.compile(r"job|task|sent|sending|deliver|clock|schedul|mail", re.IGNORECASE)
# What goes on with the message before: its details hold values that people typed.
_DETAILS = re.compile(r"DETAIL:|HINT:|CONTEXT:|LINE \d|QUERY:|STATEMENT:|WHERE:|\[SQL: |\[parameters: |\(Background on")
_BEGIN = "Traceback (most recent call last)"


def signals_of_text(text: str, redactor: Redactor | None = None) -> list[Signal]:
    """The signals of any text that somebody pasted, as they stand; evidence ids are "text:<line>"."""
    return signals_of_excerpt(Excerpt.of_text(text), redactor)


def signals_of_excerpt(excerpt: Excerpt, redactor: Redactor | None = None) -> list[Signal]:
    """The same for a text of which only the beginning and the end were read."""
    redactor = redactor or Redactor()
    document = parse(excerpt.start) if not excerpt.end else None
    if document is not None and lines_of_row(excerpt.start) is None:
        return [signal for row in list_rows(document) for signal in _of_row(row, 1, redactor)]
    return _signals_of_lines(excerpt, redactor)


def signal_of_head(
    head: Head, source: str, evidence_id: str, redactor: Redactor, text: str, further: str = ""
) -> list[Signal]:
    """The signals of a log record: of its exceptions where it has any, else of what its first line says."""
    has_trace = source != "nginx" and _BEGIN in further
    base = Signal(
        source=source,
        text=redactor.text(text[:LONGEST_TEXT]),
        evidence_id=evidence_id,
        at=head.time,
        pid=head.pid,
        fields={**head.fields, **_deed(head, redactor)},
        level=head.level,
    )
    raised = parse_tracebacks(further) if has_trace else []
    if not raised and source != "nginx" and is_at_least(head.level, "warning"):
        raised = parse_bare(head.message.split("\n", 1)[0])
    if raised:
        return [_of_raised(base, one) for one in raised]
    return [_of_message(base, head)]


def signals_of_exception(base: Signal, error_type: str, message: str, stack: str) -> list[Signal]:
    """The signals of a stored error; its own class and message are known and are not looked for in the text."""
    parsed = parse_tracebacks(stack)
    frames = next((one.frames for one in parsed if one.depth == 0), ())
    # What stands in the message is not part of the chain, even when it looks like it.
    earlier = parse_tracebacks(_without_last(stack.replace(message, "…") if len(message) > 20 else stack))
    causes = [replace(one, depth=one.depth + 1) for one in earlier]
    return [_of_raised(base, one) for one in [*unwrap(Raised(error_type, message, frames)), *causes]]


def _deed(head: Head, redactor: Redactor) -> dict[str, str]:
    """What a calm record tells of a job or a mail: two such are compared whole, to see whether it was done twice."""
    is_deed = head.level in ("info", "notice", "debug") and _DEED.search(head.message[:300]) is not None
    return {"deed": redactor.text(head.message[:300])} if is_deed else {}


def message_said(source: str, message: str, program: str = "") -> str:
    """What the program itself says: without quoted text and what follows a stranger's words."""
    if source == "nginx":
        return nginx_template(message)
    if source == "gunicorn":
        for start in ("Error handling request", "Invalid request from", "Error processing SSL request"):
            if message.startswith(start):
                return start
    if program in ("systemd", "kernel", "systemctl"):
        return message[:LONGEST_TEXT]
    return _QUOTED.sub('"…"', message[:LONGEST_TEXT])


def _of_row(row: Mapping[str, Any], number: int, redactor: Redactor) -> list[Signal]:
    """The signals of one JSON object."""
    evidence = f"text:{number}"
    if is_settled_row(row):
        return [Signal("app", "", evidence, level="info", said="an error that was resolved")]
    if (found := health_signals(row, evidence)) is not None:
        return found
    if (error := find_service_error(row)) is not None:
        base = Signal("text", redactor.text(error[0]), evidence, said=error[0])
        return [_with_codes(base, error[1])]
    if isinstance(row.get("error"), str):
        said = f"{row['error']}: {row.get('error_description') or ''}"[:LONGEST_TEXT]
        return [Signal("text", redactor.text(said), evidence, said=said)]
    kind, words = row.get("error_type"), row.get("error_message")
    if isinstance(kind, str) and isinstance(words, str):
        base = Signal("error", redactor.text(words[:LONGEST_TEXT]), evidence, place=str(row.get("endpoint") or ""))
        return signals_of_exception(base, kind, words, str(row.get("error_stack") or ""))
    inner = text_of_row(row)
    if inner is None:
        return [Signal("text", "", evidence, level="info", fields={"is_unread": "yes"})]
    return [replace(signal, evidence_id=evidence) for signal in _signals_of_lines(Excerpt(inner), redactor)]


def _signals_of_lines(excerpt: Excerpt, redactor: Redactor) -> list[Signal]:
    lines, numbers, rows = _lines_of(excerpt)
    signals = [signal for number, row in rows for signal in _of_row(row, number, redactor)]
    offsets = [line.offset for line in lines]
    latest: Head | None = None
    for joined in join_lines(lines, cache(_read_head)):
        number = numbers[max(0, bisect_right(offsets, joined.offset) - 1)]
        if joined.head is None:
            signals += _of_headless(joined, number, latest, redactor)
            continue
        latest = joined.head
        source = _source_of(joined.head)
        signals += signal_of_head(joined.head, source, f"text:{number}", redactor, joined.text, joined.further)
        first = number + joined.text.count("\n") - joined.further.count("\n")
        if joined.further and source == "nginx":
            # A stranger's line break may go on in what follows, unless nginx itself ended its record before.
            after = Joined(joined.offset, None, joined.further)
            signals += [] if joined.head.is_open else _of_headless(after, first, None, redactor)
        elif joined.further and _BEGIN not in joined.further:
            signals += _of_loose_lines(joined.further, first, latest, redactor, is_further=True)
    return thin_out(signals)


def _lines_of(excerpt: Excerpt) -> tuple[list[Line], list[int], list[tuple[int, Mapping[str, Any]]]]:
    """The lines with their offsets as log readers know them, the number of each in the text, and JSON objects."""
    first = _plain(excerpt.start)
    kept = [*enumerate(first, 1)]
    if excerpt.end:
        kept += enumerate(_plain(excerpt.end), len(first) + excerpt.skipped_lines + 1)
    if len(kept) > MOST_LINES:
        kept = kept[: MOST_LINES // 4] + kept[-(MOST_LINES * 3 // 4) :]
    has_marks = sum(1 for _, row in kept if _CONTAINER.match(row)) * 2 > len(kept)
    shown: list[tuple[int, str]] = []
    objects: list[tuple[int, Mapping[str, Any]]] = []
    for number, row in kept:
        row = _COLOURS.sub("", row[:LONGEST_LINE]) if "\x1b" in row else row[:LONGEST_LINE]
        if has_marks and (mark := _CONTAINER.match(row)):
            row = row[mark.end() :]
        if row.startswith("{"):
            if (expanded := lines_of_row(row)) is not None:
                shown += [(number, part) for part in expanded]
                continue
            if read_app(row) is None and isinstance(value := parse(row), dict):
                objects.append((number, value))
                continue
        shown.append((number, row))
    stripped = strip_journal([row for _, row in shown])
    while stripped and not stripped[-1].strip():
        stripped.pop()
    lines: list[Line] = []
    numbers: list[int] = []
    offset = 0
    for (number, _), row in zip(shown, stripped, strict=False):
        if lines or row.strip():
            data = row.encode("utf-8", "replace")
            lines.append(Line(offset, data, len(data)))
            numbers.append(number)
            offset += len(data) + 1
    return lines, numbers, objects


def _plain(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").split("\n")


def _read_head(line: str) -> Head | None:
    return read_any(line) or read_bare(line)


def _source_of(head: Head) -> str:
    return "postgresql" if head.fields.get("logger") == "postgresql" else head.source


def _of_headless(joined: Joined, number: int, latest: Head | None, redactor: Redactor) -> list[Signal]:
    """A bare traceback, or lines of no known log."""
    raised = parse_tracebacks(joined.text)
    if not raised:
        return _of_loose_lines(joined.text, number, latest, redactor, is_further=False)
    source = latest.source if latest is not None and latest.source != "nginx" else "text"
    base = Signal(
        source=source,
        text=redactor.text(joined.text[-LONGEST_TEXT:]),
        evidence_id=f"text:{number}",
        at=latest.time if latest is not None else None,
        pid=latest.pid if latest is not None else None,
    )
    return [_of_raised(base, one) for one in raised]


def _of_loose_lines(
    text: str, number: int, latest: Head | None, redactor: Redactor, *, is_further: bool
) -> list[Signal]:
    """Lines without a head, each for itself: an exception's last line, a program's message, or nothing known."""
    signals: list[Signal] = []
    at: datetime | None = latest.time if latest is not None else None
    for step, line in enumerate(text.split("\n")[:2000]):
        words = line.strip()
        if not words:
            continue
        base = Signal("text", redactor.text(words[:LONGEST_TEXT]), f"text:{number + step}", at=at)
        if signals and signals[-1].is_trouble and (line[0].isspace() or _DETAILS.match(line)):
            continue
        raised = parse_bare(words)
        if raised:
            signals += [_of_raised(base, one) for one in raised]
            continue
        said = words[:LONGEST_TEXT] if _UNIT.match(words) else _QUOTED.sub('"…"', words[:LONGEST_TEXT])
        codes = codes_of("", words[:LONGEST_TEXT])
        is_trouble = bool(codes) or says_trouble(said)
        if is_further and not is_trouble:
            continue
        fields = {} if is_trouble or is_like_log(words) else {"is_unread": "yes"}
        signals.append(
            _with_codes(replace(base, said=said, level="error" if is_trouble else "info", fields=fields), codes)
        )
    return signals


def _of_message(base: Signal, head: Head) -> Signal:
    said = message_said(base.source, head.message, head.fields.get("program", ""))
    kind = class_of(head.source, head.level, said, None, None)
    fields = {**base.fields, **({"kind": kind} if kind else {})}
    worker = _PID.search(said)
    if worker is not None and base.source == "gunicorn":
        fields["worker_pid"] = worker.group(1)
    # Reading a code out of calm lines would find port numbers and sizes.
    codes = codes_of("", said) if base.is_trouble or base.source == "nginx" else ()
    return _with_codes(replace(base, said=said, fields=fields), codes)


def _of_raised(base: Signal, raised: Raised) -> Signal:
    name = raised.error_type.rpartition(".")[2]
    said = raised.message[:LONGEST_TEXT]
    kind = class_of("app", "error", said, f"{raised.error_type}: {said}", name)
    signal = replace(
        base,
        error_type=raised.error_type,
        said=said,
        level="critical" if base.level == "critical" else "error",
        depth=raised.depth,
        frames=raised.frames,
        fields={**base.fields, **({"kind": kind} if kind else {})},
    )
    return _with_codes(signal, codes_of(raised.error_type, said))


def _with_codes(signal: Signal, codes: tuple[str, ...]) -> Signal:
    return replace(signal, code=codes[0], further_codes=codes[1:]) if codes else signal


def _without_last(stack: str) -> str:
    """A stack without its last traceback: what is left tells of the causes."""
    place = max(stack.rfind("\nThe above exception was"), stack.rfind("\nDuring handling of the above"))
    return stack[:place] if place > 0 else ""
