"""A log file read from its end: lines with their offsets, newest first, within a budget of lines, bytes and time.

Only regular files are read, none through a link that leaves the file's own folder, and no open ever waits.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

BLOCK_BYTES = 64 * 1024
# Of a line that is longer only the beginning is kept.
LONGEST_LINE_BYTES = 32 * 1024
# A line that grows past this without an end is taken as it is, so that nobody waits for it for ever.
ENDLESS_LINE_BYTES = 1024 * 1024
FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


class FileRefused(OSError):
    """The name leads to something that LUX does not read: no regular file, or a link out of its folder."""


@dataclass(frozen=True)
class Budget:
    """How much a reading may cost."""

    lines: int = 2_000
    bytes: int = 4 * 1024 * 1024
    seconds: float = 1.0


@dataclass
class Spending:
    """What a reading has cost so far."""

    budget: Budget
    lines: int = 0
    bytes: int = 0
    started_at: float = field(default_factory=time.monotonic)

    def is_over(self) -> bool:
        """Whether nothing more may be read."""
        budget = self.budget
        return (
            self.lines >= budget.lines
            or self.bytes >= budget.bytes
            or time.monotonic() - self.started_at >= budget.seconds
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end, where it begins in its file, and how long it is there: `text` may be cut."""

    offset: int
    text: bytes
    length: int


class LogFile:
    """An open log file; reading goes by its descriptor, whatever happens to the name meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = open_regular(path)
        status = os.fstat(self._descriptor)
        self.inode = status.st_ino
        self.size = status.st_size
        self.changed_at = status.st_mtime

    def __enter__(self) -> LogFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets the file go."""
        os.close(self._descriptor)

    def was_truncated(self) -> bool:
        """Whether it has become shorter since it was opened, as copytruncate does."""
        return os.fstat(self._descriptor).st_size < self.size

    def was_replaced(self) -> bool:
        """Whether its name leads to another file by now, as rotation does."""
        try:
            return self.path.stat().st_ino != self.inode
        except OSError:
            return True

    def read_backwards(self, spending: Spending) -> Iterator[Line]:
        """Its lines, newest first, until the budget is spent or the file turns out to be shorter than it was."""
        position, carry = self.size, b""
        is_end = True
        while position > 0 and not spending.is_over():
            length = min(BLOCK_BYTES, position)
            position -= length
            block = os.pread(self._descriptor, length, position)
            spending.bytes += length
            if len(block) < length:
                return
            first, *pieces = (block + carry).split(b"\n")
            if is_end and pieces and not pieces[-1]:
                pieces.pop()  # what stands after the last line's end
                is_end = False
            yield from _newest_first(pieces, position + len(first) + 1, spending)
            is_end = is_end and not pieces
            carry = first[:LONGEST_LINE_BYTES]
        if position == 0 and self.size and not spending.is_over():
            spending.lines += 1
            yield Line(0, carry, len(carry))

    def read_forwards(self, start: int, spending: Spending) -> Iterator[Line]:
        """Its complete lines from an offset on, oldest first; one that is still being written is left for later."""
        position, carry, carry_at = start, b"", start
        while position < self.size and not spending.is_over():
            block = os.pread(self._descriptor, min(BLOCK_BYTES, self.size - position), position)
            if not block:
                return
            spending.bytes += len(block)
            position += len(block)
            *complete, carry = (carry + block).split(b"\n")
            for text in complete:
                spending.lines += 1
                yield Line(carry_at, text[:LONGEST_LINE_BYTES], len(text))
                carry_at += len(text) + 1
            if len(carry) > ENDLESS_LINE_BYTES:
                yield Line(carry_at, carry[:LONGEST_LINE_BYTES], len(carry) - 1)
                carry_at, carry = position, b""


def _newest_first(pieces: list[bytes], first_offset: int, spending: Spending) -> Iterator[Line]:
    offsets = list(accumulate((len(piece) + 1 for piece in pieces), initial=first_offset))
    for number in range(len(pieces) - 1, -1, -1):
        if spending.is_over():
            return
        spending.lines += 1
        yield Line(offsets[number], pieces[number][:LONGEST_LINE_BYTES], len(pieces[number]))


def open_regular(path: Path) -> int:
    """A descriptor of a regular file. Raises FileRefused for anything else, and OSError as open() does."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        name = _follow_within(folder, path)
        descriptor = os.open(name, FLAGS, dir_fd=folder)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileRefused(f"{path} is not a regular file")
    return descriptor


def _follow_within(folder: int, path: Path) -> str:
    """The name to open: the file's own, or that of the neighbour that it links to."""
    status = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        if not stat.S_ISREG(status.st_mode):
            raise FileRefused(f"{path} is not a regular file")
        return path.name
    target = os.readlink(path.name, dir_fd=folder)
    parent, _, name = target.rpartition("/")
    if parent and Path(parent) != path.parent:
        raise FileRefused(f"{path} links out of its folder")
    if name in ("", ".", ".."):
        raise FileRefused(f"{path} is not a regular file")
    return name
