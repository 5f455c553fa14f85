"""A log file and its predecessors: the newest lines since a moment, and the new lines since a position.

Rotation is told by the inode, copytruncate by the size. Predecessors are read while they are not compressed (`.1`,
`.2`); a compressed file cannot be read from its end, so it is only named.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lib.backwards_file import Line, LogFile, Spending

# Reading stops where everything in so many bytes is older than asked for; one old-looking line may be a stranger's.
SURELY_OLDER_BYTES = 8 * 1024
FIRST_LOOK_BYTES = 1024 * 1024
PREDECESSORS = (1, 2)
MOST_TRIES = 3


class Restless(OSError):
    """The file was rotated again and again while it was read."""


@dataclass(frozen=True)
class Part:
    """Lines of one file, oldest first."""

    inode: int
    lines: list[Line]


@dataclass(frozen=True)
class NewestLines:
    """The newest lines of a file and its predecessors; parts stand oldest first."""

    parts: list[Part]
    has_current: bool
    is_whole: bool
    compressed: str | None


@dataclass(frozen=True)
class NewLines:
    """What came since a position: lines of the predecessor and of the current file, and where to go on."""

    earlier: Part | None
    current: Part
    end: int
    changed_at: float


def read_newest(path: Path, is_older: Callable[[Line], bool | None], spending: Spending) -> NewestLines:
    """The newest lines, back to where `is_older` says so of every line that it knows about. Raises OSError."""
    for _ in range(MOST_TRIES):
        reading = _read_newest_once(path, is_older, spending)
        if reading is not None:
            return reading
    raise Restless(f"{path} was rotated again and again while it was read")


def read_since(path: Path, position: tuple[int, int] | None, spending: Spending) -> NewLines:
    """The complete lines since a position of (inode, offset); without one, those near the end. Raises OSError."""
    with LogFile(path) as file:
        start, earlier = 0, None
        if position is None:
            start = max(0, file.size - FIRST_LOOK_BYTES)
        elif position[0] == file.inode and position[1] <= file.size:
            start = position[1]
        else:
            earlier = _rest_of_predecessor(path, position, spending)
        lines = list(file.read_forwards(start, spending))
        if start and position is None and lines:
            lines.pop(0)  # most likely the end of a line
        end = lines[-1].offset + lines[-1].length + 1 if lines else start
        return NewLines(earlier, Part(file.inode, lines), end, file.changed_at)


def position_of(text: str | None) -> tuple[int, int] | None:
    """A position from its text, `inode:offset`."""
    match = re.fullmatch(r"(\d{1,20}):(\d{1,20})", text or "")
    return (int(match.group(1)), int(match.group(2))) if match else None


@dataclass
class _Files:
    """The file and its predecessors, opened one after the other, each inode once."""

    path: Path
    inodes: set[int] = field(default_factory=set)

    def open_next(self, name: Path) -> LogFile | None:
        try:
            file = LogFile(name)
        except FileNotFoundError:
            return None
        if file.inode in self.inodes:
            file.close()
            return None
        self.inodes.add(file.inode)
        return file


def _read_newest_once(path: Path, is_older: Callable[[Line], bool | None], spending: Spending) -> NewestLines | None:
    """One try; None when the file changed under our hands."""
    files, parts = _Files(path), []
    has_current, is_whole = False, True
    predecessors = list_predecessors(path)
    for name in [path, *predecessors]:
        file = files.open_next(name)
        if file is None:
            if name == path and not predecessors:
                raise FileNotFoundError(2, "No such file or directory", str(path))
            continue
        with file:
            lines, is_whole = _newest_lines(file, is_older, spending)
            if file.was_truncated() or (name == path and file.was_replaced()):
                return None
            has_current = has_current or name == path
            parts.append(Part(file.inode, lines))
        if not is_whole or spending.is_over():
            break
    return NewestLines(parts[::-1], has_current, is_whole, find_compressed(path))


def _newest_lines(
    file: LogFile, is_older: Callable[[Line], bool | None], spending: Spending
) -> tuple[list[Line], bool]:
    """The file's lines as far as they are wanted, oldest first, and whether its beginning was reached."""
    lines: list[Line] = []
    older_bytes = 0
    for line in file.read_backwards(spending):
        lines.append(line)
        verdict = is_older(line)
        if verdict is not None:
            older_bytes = older_bytes + line.length + 1 if verdict else 0
        if older_bytes > SURELY_OLDER_BYTES:
            return lines[::-1], False
    return lines[::-1], not lines or lines[-1].offset == 0


def list_predecessors(path: Path) -> list[Path]:
    """The predecessors that are not compressed yet, the youngest first."""
    return [older for number in PREDECESSORS if (older := path.with_name(f"{path.name}.{number}")).exists()]


def find_compressed(path: Path) -> str | None:
    """The name of the youngest compressed predecessor."""
    names = [path.with_name(f"{path.name}.{number}.gz") for number in PREDECESSORS]
    return next((name.name for name in names if name.exists()), None)


def _rest_of_predecessor(path: Path, position: tuple[int, int], spending: Spending) -> Part | None:
    """What the predecessor got after we last looked: the file we knew, or the copy that copytruncate made of it."""
    for older in list_predecessors(path):
        try:
            with LogFile(older) as file:
                is_copy = older.name.endswith(".1") and file.size >= position[1]
                if file.inode == position[0] or is_copy:
                    return Part(file.inode, list(file.read_forwards(position[1], spending)))
        except OSError:
            continue
    return None
