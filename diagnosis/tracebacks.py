"""Takes Python tracebacks apart: each exception of a chain with its class, its message and the way to it."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST_MESSAGE = 4_000
MOST_FRAMES = 80
MOST_RAISED = 40
_BEGIN = "Traceback (most recent call last)"
_FRAME = re.compile(r'\s*File "([^"\n]{1,400})", line \d{1,9}(?:, in ([^\n]{1,200}))?')
_CLASS = r"((?:[A-Za-z_]\w{0,80}\.){0,12}[A-Za-z_]\w{0,80})"
_LAST_LINE = re.compile(rf"{_CLASS}(?:: ?(.*))?$")
# A line that is an exception's last one though no frames stand before it: a module's path, or a name that says so.
_BARE = re.compile(
    r"((?:[a-z_]\w{0,60}\.){1,12}[A-Z]\w{1,80}|[A-Z]\w{0,80}(?:Error|Exception|Violation|Timeout|NotFound|"
    r"Refused|Failed))"
    r"(?:: (.*)|:?)$"
)
_LINKS = ("The above exception was the direct cause", "During handling of the above exception")
_GROUP_MARK = re.compile(r"^\s{0,20}(?:\+-)?[|+][ -]?")
_WRAPPED = re.compile(r"\(((?:[a-z_]\w{0,60}\.){1,6}[A-Z]\w{1,80})\) ?")


@dataclass(frozen=True)
class Raised:
    """One exception. `depth` is 0 for the last of a chain, 1 for what that was raised from, and so on.

    A frame is "file:function", with a tab and its line of source where that is known.
    """

    error_type: str
    message: str
    frames: tuple[str, ...] = ()
    depth: int = 0


def parse_tracebacks(text: str) -> list[Raised]:
    """Every exception of the tracebacks in a text; each chain's last one comes first."""
    chains: list[list[Raised]] = []
    frames: list[str] = []
    is_inside, is_linked, indent = False, False, 0
    message: list[str] | None = None
    name = ""

    def finish() -> None:
        nonlocal message, frames, is_linked
        if message is None:
            return
        raised = Raised(name, "\n".join(message).strip()[:LONGEST_MESSAGE], tuple(frames[-MOST_FRAMES:]))
        if is_linked and chains:
            chains[-1].append(raised)
        else:
            chains.append([raised])
        message, frames, is_linked = None, [], False

    for line in text.splitlines():
        line = _GROUP_MARK.sub("", line) if line.lstrip()[:1] in ("|", "+") else line
        if line.lstrip().startswith(_BEGIN):
            indent = len(line) - len(line.lstrip())
        if indent and not line[:indent].strip():
            line = line[indent:]
        frame = _FRAME.match(line) if 'File "' in line else None
        if line.startswith(_BEGIN) or (frame is not None and not is_inside and message is None):
            finish()
            is_inside = True
        if frame is not None and is_inside:
            frames.append(f"{frame.group(1)}:{frame.group(2) or '?'}")
        elif is_inside and frames and line.startswith("    ") and "\t" not in frames[-1]:
            frames[-1] += f"\t{line.strip()[:300]}"
        elif is_inside and line and not line[0].isspace() and not line.startswith(_BEGIN):
            last = _LAST_LINE.match(line)
            is_inside = False
            if last is not None:
                name, message = last.group(1), [last.group(2) or ""]
        elif line.startswith(_LINKS):
            finish()
            is_linked = True
        elif message is not None:
            message.append(line)
        if len(chains) > MOST_RAISED:
            break
    finish()
    return [
        part
        for chain in chains
        for depth, raised in enumerate(reversed(chain))
        for part in unwrap(Raised(raised.error_type, raised.message, raised.frames, depth))
    ]


def parse_bare(line: str) -> list[Raised]:
    """The exception of a single line such as `smtplib.SMTPAuthenticationError: (535, b'…')`; none: no exception."""
    match = _BARE.match(line.strip()[:LONGEST_MESSAGE])
    return unwrap(Raised(match.group(1), match.group(2) or "")) if match else []


def unwrap(raised: Raised) -> list[Raised]:
    """What SQLAlchemy wraps comes out: `(psycopg.errors.UndefinedTable) relation …` is that class with that message."""
    match = _WRAPPED.match(raised.message)
    if match is None:
        return [raised]
    message = re.split(r"\n\[SQL: |\n\(Background on this error", raised.message[match.end() :], maxsplit=1)[0]
    return [Raised(match.group(1), message, raised.frames, raised.depth)]
