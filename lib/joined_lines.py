"""Lines joined to records: a head with the traceback that follows it, and nginx's broken lines mended."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lib.app_log import CONTINUED
from lib.backwards_file import Line
from lib.log_lines import Format, Head
from lib.nginx_context import LONGEST_RECORD_BYTES, has_client

# What gunicorn says before a traceback; after `WORKER TIMEOUT` or `Connection in use` one has another origin.
_ANNOUNCES = re.compile(r"[Ee]xception|Error (?:handling|processing)|Unhandled")
LONGEST_RECORD = 64 * 1024
_TRACEBACK = "Traceback (most recent call last):"
_FRAME = re.compile(r'\s+File "[^"]*", line \d+')
_CHAINED = re.compile(r"(?:During handling of the above|The above exception was the direct cause)")


@dataclass(frozen=True, slots=True)
class Joined:
    """The lines of one record. `head` is None for lines that no head precedes, such as a bare traceback."""

    offset: int
    head: Head | None
    text: str
    further: str = ""


def join_lines(lines: list[Line], read: Format) -> list[Joined]:
    """The records of lines that are given oldest first."""
    joined: list[Joined] = []
    number = 0
    while number < len(lines):
        head = read(_decoded(lines[number]))
        if head is None:
            number += _add_further(joined, lines, number, read)
            continue
        count = _count_broken(lines, number, read) if head.is_open else 1
        text = "\n".join(_decoded(line) for line in lines[number : number + count])
        whole = read(text) if count > 1 else head
        joined.append(Joined(lines[number].offset, whole or head, text))
        number += count
    return joined


def _add_further(joined: list[Joined], lines: list[Line], start: int, read: Format) -> int:
    """Adds the lines up to the next head to the record before, or makes records of their own; how many they are."""
    count = 1
    while start + count < len(lines) and read(_decoded(lines[start + count])) is None:
        count += 1
    texts = [_decoded(line).removeprefix(CONTINUED) for line in lines[start : start + count]]
    begins = _beginnings(texts)
    before = joined[-1] if joined else None
    takes_all = before is not None and before.head is not None and not _is_calm(before.head)
    first_end = len(texts) if not begins else begins[0]
    if takes_all and before is not None and len(begins) <= 1:
        joined[-1] = _with(before, texts)
        return count
    if takes_all and before is not None:
        joined[-1] = _with(before, texts[: begins[1]])
        begins = begins[1:]
    elif before is not None and first_end:
        joined[-1] = _with(before, texts[:first_end])
    elif first_end:
        joined.append(Joined(lines[start].offset, None, "\n".join(texts[:first_end])[:LONGEST_RECORD]))
    ends = [*begins[1:], len(texts)] if begins else []
    for begin, end in zip(begins, ends, strict=True):
        joined.append(Joined(lines[start + begin].offset, None, "\n".join(texts[begin:end])[:LONGEST_RECORD]))
    return count


def _beginnings(texts: list[str]) -> list[int]:
    """Where tracebacks begin that belong to no earlier one."""
    begins: list[int] = []
    for number, text in enumerate(texts):
        if not text.startswith(_TRACEBACK) and not (number == 0 and _FRAME.match(text)):
            continue
        before = next((earlier for earlier in reversed(texts[:number]) if earlier.strip()), "")
        if not _CHAINED.match(before):
            begins.append(number)
    return begins


def _with(before: Joined, texts: list[str]) -> Joined:
    further = "\n".join([before.further, *texts] if before.further else texts)[:LONGEST_RECORD]
    return Joined(before.offset, before.head, f"{before.text}\n" + "\n".join(texts)[:LONGEST_RECORD], further)


def _is_calm(head: Head) -> bool:
    """A head that would not announce a traceback: what follows it is a record of its own."""
    is_gunicorns = head.source == "gunicorn" and not _ANNOUNCES.search(head.message)
    return is_gunicorns or head.level in ("debug", "info", "notice")


def _count_broken(lines: list[Line], start: int, read: Format) -> int:
    """How many lines a record of nginx takes whose quotation a stranger's line breaks run through.

    nginx writes each record at once and cuts it at LONGEST_RECORD_BYTES, so its end is near: a line that is no head of
    its own and closes the context, or the cut itself.
    """
    begin = lines[start].offset
    for number in range(start + 1, len(lines)):
        line = lines[number]
        end = line.offset + line.length + 1
        if end - begin > LONGEST_RECORD_BYTES:
            break
        text = _decoded(line)
        if (has_client(text) and read(text) is None) or end - begin == LONGEST_RECORD_BYTES:
            return number - start + 1
    return 1


def _decoded(line: Line) -> str:
    return line.text.decode("utf-8", "replace")
