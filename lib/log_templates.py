"""What a log text says without its variable parts: two lines about the same thing have the same template."""

from __future__ import annotations

import re
from functools import lru_cache

LONGEST_TEMPLATE = 300
_TRACEBACK = "Traceback (most recent call last)"
_FRAME = re.compile(r'\s+File "')
_EXCEPTION_LINE = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:: |$)")
# What nginx itself may write after a quoted path; anything else after the last quotation mark is dropped.
_WHY = r"\(\d+: [A-Z][A-Za-z ]{3,60}\)"
_NGINX_ENDING = re.compile(rf" (?:failed {_WHY}|is (?:not found|forbidden)(?: {_WHY})?)$")
# A cheap sign that a part may be there, the part, and what stands for it.
_PARTS: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ('"', re.compile(r'b?"(?:[^"\\\n]|\\.)*"'), '"…"'),
    ("'", re.compile(r"(?<!\w)b?'(?:[^'\\\n]|\\.)*'"), '"…"'),
    ("`", re.compile(r"`[^`\n]*`"), "`…`"),
    ("=(", re.compile(r"=\([^()\n]*\)"), "=(…)"),
    ("://", re.compile(r"\b\w+://\S+"), "<url>"),
    ("@", re.compile(r"[\w.%+*-]+@[\w-]+(?:\.[\w-]+)+"), "<address>"),
    ("", re.compile(r"\b\d{4}[-/]\d\d[-/]\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?"), "<time>"),
    ("-", re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "<id>"),
    (".", re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<ip>"),
    (":", re.compile(r"\[?\b[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){3,7}\]?"), "<ip>"),
    ("/", re.compile(r"(?<![\w<>])(?:unix:)?/[\w.@%+~-]+(?:/[\w.@%+~-]*)*"), "<path>"),
    ("", re.compile(r"\b0x[0-9a-fA-F]+\b|\b(?=[0-9a-fA-F]*\d)(?=[0-9]*[a-fA-F])[0-9a-fA-F]{8,}\b"), "<id>"),
    # Numbers that say what happened stay: errno, an answer's status, an exit code, a mail server's reply.
    (
        "",
        re.compile(
            r"(?<!failed \()(?<!timed out \()(?<!Errno )(?<!Error code: )(?<!exited with code )(?<!answered )"
            r"(?<!status=)(?<!Error: \()(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\w)"
        ),
        "<n>",
    ),
)
_HAS_DIGIT = re.compile(r"\d")


def template_of(message: str) -> str:
    """The first line of a message without quoted text, addresses, ids, paths, times and numbers."""
    return _template(message.partition("\n")[0][: LONGEST_TEMPLATE * 2])


@lru_cache(maxsize=4096)
def _template(text: str) -> str:
    has_digit = _HAS_DIGIT.search(text) is not None
    for sign, pattern, token in _PARTS:
        if sign in text if sign else has_digit:
            text = pattern.sub(token, text)
    return " ".join(text.split())[:LONGEST_TEMPLATE]


def nginx_template(message: str) -> str:
    """The same for nginx, whose quotations are strangers' text: nothing between the first and the last mark is kept."""
    before, mark, rest = message.partition('"')
    if not mark:
        return template_of(message)
    ending = _NGINX_ENDING.search(rest.rpartition('"')[2])
    return template_of(before) + ' "…"' + (ending.group() if ending else "")


def final_exception(text: str) -> str | None:
    """The exception that a traceback ends with, with the lines that belong to its message; None without a traceback."""
    found: list[str] | None = None
    is_inside = False
    for line in text.splitlines():
        if line.startswith(_TRACEBACK) or _FRAME.match(line):
            is_inside = True
        elif is_inside and line and not line[0].isspace():
            is_inside = False
            if _EXCEPTION_LINE.match(line) or ":" in line:
                found = [line]
        elif not is_inside and found is not None:
            if not line.strip():
                found = [*found, ""]
            elif found[-1] != "" and len(found) < 6:
                found.append(line)
    return "\n".join(line for line in found if line) if found else None


def exception_name(exception: str) -> str:
    """The class of an exception as final_exception() gives it, without its module."""
    return exception.partition(":")[0].strip().rpartition(".")[2]
