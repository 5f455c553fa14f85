"""Quoted-printable, written so that pieces can be spliced in: every piece begins and ends on a line of its own."""

from __future__ import annotations

import re

LINE_CHARACTERS = 75  # 76 with the soft break's "="
SOFT_BREAK = b"=\r\n"
# As it stands: printable ASCII but "=", short enough for one line, and no dot that would begin it.
READY = re.compile(rf"(?!\.)[ -<>-~]{{0,{LINE_CHARACTERS}}}")
LITERAL = set(range(33, 127)) - {ord("=")}
CODES = [bytes([octet]) if octet in LITERAL or octet in b" \t" else b"=%02X" % octet for octet in range(256)]


def encode_text(text: str) -> bytes:
    """Many lines of text as quoted-printable. No line is longer than 76, begins with a dot or ends in a blank."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return b"\r\n".join(_encode_line(line.encode("utf-8", "replace")) for line in lines)


def encode_value(value: str) -> bytes:
    """One value for a place between two soft breaks."""
    if READY.fullmatch(value):
        return value.encode("ascii")
    return _encode_line(value.encode("utf-8", "replace"), ends_softly=True)


def _encode_line(raw: bytes, *, ends_softly: bool = False) -> bytes:
    codes = [CODES[octet] for octet in raw]
    if codes and raw[-1] in b" \t" and not ends_softly:
        codes[-1] = b"=%02X" % raw[-1]
    rows: list[list[bytes]] = [[]]
    length = 0
    for code in codes:
        if length + len(code) > LINE_CHARACTERS:
            rows.append([])
            length = 0
        written = b"=2E" if code == b"." and not length else code
        rows[-1].append(written)
        length += len(written)
    return SOFT_BREAK.join(b"".join(row) for row in rows)
