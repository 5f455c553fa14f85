"""A text as it is read: whole when it is short, its beginning and end when it is long; whatever bytes it holds."""

from __future__ import annotations

import gzip
import io
import zlib
from collections import deque
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

# Of a text that is longer the beginning and the end are read: where it started, and where it stands.
MOST_FROM_START = 1_000_000
MOST_FROM_END = 2_000_000
MOST_READ = 2 * 1024**3
_BLOCK = 1_000_000
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Excerpt:
    """What was read; `skipped_lines` lie between the two parts."""

    start: str
    end: str = ""
    skipped_lines: int = 0

    @classmethod
    def of_text(cls, text: str) -> Excerpt:
        """Of a text that is in memory already."""
        if len(text) <= MOST_FROM_START + MOST_FROM_END:
            return cls(text)
        start, _, rest = text[:MOST_FROM_START].rpartition("\n")
        end = text[-MOST_FROM_END:].partition("\n")[2]
        between = text.count("\n") - start.count("\n") - end.count("\n") - 1
        return cls(start or rest, end, max(0, between))


def read_excerpt(stream: BinaryIO) -> Excerpt:
    """Reads a stream within bounds of memory, however long it is; one that is packed by gzip is unpacked."""
    first = stream.read(_BLOCK)
    if first.startswith(_GZIP):
        return _read_gzip(first, stream)
    return _read_blocks(first, stream)


def _read_gzip(first: bytes, stream: BinaryIO) -> Excerpt:
    with gzip.open(io.BufferedReader(_Joined(first, stream))) as unpacked:
        try:
            return _read_blocks(unpacked.read(_BLOCK), unpacked)
        except (OSError, EOFError, zlib.error):
            return Excerpt("")


def _read_blocks(first: bytes, stream: IO[bytes] | gzip.GzipFile) -> Excerpt:
    tail: deque[bytes] = deque()
    kept, newlines, total, kept_newlines = 0, 0, len(first), 0
    while total < MOST_READ and (block := stream.read(_BLOCK)):
        total += len(block)
        count = block.count(b"\n")
        newlines += count
        tail.append(block)
        kept += len(block)
        kept_newlines += count
        while kept - len(tail[0]) > MOST_FROM_END:
            dropped = tail.popleft()
            kept -= len(dropped)
            kept_newlines -= dropped.count(b"\n")
    rest = b"".join(tail)
    if newlines == kept_newlines and total == len(first) + len(rest):
        return Excerpt.of_text(decode(first + rest))
    start, _, cut = first.rpartition(b"\n")
    end = rest.partition(b"\n")[2]
    between = first.count(b"\n") + newlines - (start or cut).count(b"\n") - end.count(b"\n") - 1
    return Excerpt(decode(start or cut), decode(end), max(0, between))


def decode(data: bytes) -> str:
    """Bytes as text: UTF-8 with or without its mark, UTF-16 with its mark; what fits neither is replaced."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")


class _Joined(io.RawIOBase):
    """A stream whose beginning was read already."""

    def __init__(self, first: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._first = first
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = len(buffer)
        piece, self._first = (self._first[:size], self._first[size:]) if self._first else (self._rest.read(size), b"")
        buffer[: len(piece)] = piece
        return len(piece)
