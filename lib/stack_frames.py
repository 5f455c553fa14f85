"""A traceback as data: each frame with the lines around it and, for our own code, its redacted locals."""

from __future__ import annotations

import linecache
from functools import lru_cache
from types import FrameType, TracebackType
from typing import Any

from lib.fingerprint import is_own_file
from lib.redaction import Redactor

MOST_FRAMES = 30
LINES_AROUND = 3
MOST_LOCALS = 20
LONGEST_LOCAL = 300
MOST_FRAMES_WITH_LOCALS = 5


def describe_frames(
    traceback: TracebackType | None, root: str, redactor: Redactor, *, with_locals: bool
) -> list[dict[str, Any]]:
    """Rows of file, line, function, is_own, code (lines around) and locals, innermost last; the innermost 30."""
    found: list[tuple[FrameType, int]] = []
    while traceback is not None:
        found.append((traceback.tb_frame, traceback.tb_lineno))
        traceback = traceback.tb_next
    kept = found[-MOST_FRAMES:]
    first_with_locals = len(kept) - MOST_FRAMES_WITH_LOCALS
    return [
        _describe(frame, line, root, redactor, with_locals and at >= first_with_locals)
        for at, (frame, line) in enumerate(kept)
    ]


def _describe(frame: FrameType, line: int, root: str, redactor: Redactor, with_locals: bool) -> dict[str, Any]:
    path = frame.f_code.co_filename
    is_own = is_own_file(path, root)
    row: dict[str, Any] = {
        "file": _short(path, root),
        "line": line,
        "function": frame.f_code.co_name,
        "is_own": is_own,
    }
    if is_own:
        row["code"] = _lines_around(path, line, redactor)
        if with_locals:
            row["locals"] = _locals(frame, redactor)
    return row


def _short(path: str, root: str) -> str:
    if path.startswith(root):
        return path[len(root) :].lstrip("/").rpartition("site-packages/")[2]
    return "/".join(path.split("/")[-3:])


def _lines_around(path: str, line: int, redactor: Redactor) -> list[str]:
    first = max(1, line - LINES_AROUND)
    return [_read_line(path, n, redactor) for n in range(first, line + LINES_AROUND + 1)]


@lru_cache(maxsize=8192)
def _read_line(path: str, number: int, redactor: Redactor) -> str:
    """A line of source; the process runs the code that it has read, so a line is read and redacted once."""
    return redactor.text(linecache.getline(path, number).rstrip())


def _locals(frame: FrameType, redactor: Redactor) -> dict[str, Any]:
    values = list(frame.f_locals.items())[:MOST_LOCALS]
    return {name: _clip(redactor.value(_plain(value), name)) for name, value in values if not name.startswith("__")}


def _plain(value: Any) -> Any:
    """The value, or its class where its repr might do work: ask the database, read a file."""
    if value is None or isinstance(value, str | bytes | int | float | bool):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in list(value.items())[:MOST_LOCALS]}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in list(value)[:MOST_LOCALS]]
    return f"<{type(value).__module__}.{type(value).__qualname__}>"


def _clip(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= LONGEST_LOCAL else text[:LONGEST_LOCAL] + "…"
