"""A message compiled once: bytes with places left open, so that a recipient costs a few splices and one join.

Building a MIME message per recipient is what makes senders slow. Here headers, boundaries and quoted-printable are
written once; per recipient only the values are encoded. The result is ready for the wire: CRLF, lines within 998,
no line that begins with a dot, no header but ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from lib.mail_headers import encode_header, encode_header_value
from lib.merge_tags import ESCAPING, Part
from lib.quoted_printable import SOFT_BREAK, encode_text, encode_value


class Mark(Enum):
    """A place that LUX itself fills, with bytes that are ready: a signed id, a date, an address."""

    READY = "ready"


@dataclass(frozen=True)
class Slot:
    """A place left open: which value stands there, escaped for which part, and what stands there without one."""

    name: str
    part: Part | Mark
    fallback: str | None = None


Piece = str | Slot
Pieces = Sequence[Piece]
Values = Mapping[str, str]
Marks = Mapping[str, bytes]
_Filler = Callable[[Values, Marks], bytes]


class MailTemplate:
    """The compiled message. `render` is called once per recipient and may be called from several threads."""

    def __init__(
        self, headers: Sequence[tuple[str, Pieces | bytes]], *, text: Pieces, html: Pieces, boundary: str = "=_lux_part"
    ) -> None:
        self._chunks: list[bytes] = []
        self._places: dict[Slot, list[int]] = {}
        self._headers: list[tuple[int, str, Pieces]] = []
        for name, value in headers:
            if isinstance(value, bytes):  # an address, encoded by encode_address
                self._chunks.append(f"{name}: ".encode("ascii") + value + b"\r\n")
            else:
                self._add_header(name, value)
        self._add(f'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="{boundary}"\r\n')
        self._add_part(boundary, "text/plain", text)
        self._add_part(boundary, "text/html", html)
        self._add(f"\r\n--{boundary}--\r\n")
        self._fillers = [(_filler(slot), positions) for slot, positions in self._places.items()]
        self._chunks, self._fillers, self._headers = self._joined()

    def render(self, values: Values, marks: Marks) -> bytes:
        """The message of one recipient. Raises HeaderRefused when a value would break out of its header."""
        chunks = self._chunks.copy()
        for fill, positions in self._fillers:
            filled = fill(values, marks)
            for position in positions:
                chunks[position] = filled
        for position, name, pieces in self._headers:
            chunks[position] = encode_header_value(fill_pieces(pieces, values, marks), len(name) + 2)
        return b"".join(chunks)

    def _add(self, text: str) -> None:
        self._chunks.append(text.encode("ascii"))

    def _add_slot(self, slot: Slot) -> None:
        self._places.setdefault(slot, []).append(len(self._chunks))
        self._chunks.append(b"")

    def _add_header(self, name: str, pieces: Pieces) -> None:
        slots = [piece for piece in pieces if isinstance(piece, Slot)]
        if not slots:
            self._chunks.append(encode_header(name, "".join(map(str, pieces))))
            return
        encode_header(name, "".join(piece for piece in pieces if isinstance(piece, str)))  # refuses what breaks out
        self._add(f"{name}: ")
        if all(slot.part is Mark.READY for slot in slots):
            for piece in pieces:
                self._add_slot(piece) if isinstance(piece, Slot) else self._add(piece)
        else:
            self._headers.append((len(self._chunks), name, pieces))
            self._chunks.append(b"")
        self._add("\r\n")

    def _add_part(self, boundary: str, content_type: str, pieces: Pieces) -> None:
        self._add(
            f"\r\n--{boundary}\r\nContent-Type: {content_type}; charset=utf-8\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        )
        for piece in pieces:
            if isinstance(piece, Slot):
                self._chunks.append(SOFT_BREAK)
                self._add_slot(piece)
                self._chunks.append(SOFT_BREAK)
            else:
                self._chunks.append(encode_text(piece))

    def _joined(
        self,
    ) -> tuple[list[bytes], list[tuple[_Filler, list[int]]], list[tuple[int, str, Pieces]]]:
        """Neighbouring fixed chunks made one, so that the join per recipient has few pieces."""
        open_places = {p for positions in self._places.values() for p in positions} | {h[0] for h in self._headers}
        chunks: list[bytes] = []
        moved: dict[int, int] = {}
        is_fixed = False
        for position, chunk in enumerate(self._chunks):
            if position in open_places:
                moved[position] = len(chunks)
                chunks.append(b"")
                is_fixed = False
            elif is_fixed:
                chunks[-1] += chunk
            else:
                chunks.append(chunk)
                is_fixed = True
        fillers = [(fill, [moved[p] for p in positions]) for fill, positions in self._fillers]
        return chunks, fillers, [(moved[p], name, pieces) for p, name, pieces in self._headers]


def fill_pieces(pieces: Pieces, values: Values, marks: Marks) -> str:
    """The pieces as text, each value escaped for its part: previews, the page in the browser, subjects."""
    return "".join(piece if isinstance(piece, str) else _fill(piece, values, marks) for piece in pieces)


def _fill(slot: Slot, values: Values, marks: Marks) -> str:
    if isinstance(slot.part, Mark):
        return marks[slot.name].decode("utf-8")
    return ESCAPING[slot.part](values.get(slot.name) or slot.fallback or "")


def _filler(slot: Slot) -> _Filler:
    name = slot.name
    if isinstance(slot.part, Mark):
        return lambda values, marks: marks[name]
    escape, fallback = ESCAPING[slot.part], slot.fallback or ""
    encoded_fallback = encode_value(escape(fallback))

    def fill(values: Values, marks: Marks) -> bytes:
        value = values.get(name)
        return encode_value(escape(value)) if value else encoded_fallback

    return fill
