"""A group of processes that the kernel lets have only so much memory, where this machine allows making one.

Groups of today (cgroup v2) and of the older kind; Linux, and root. Nothing of it stays behind.
"""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class MemoryGroup:
    """A group; a process enters it by writing its own id into `entrance`."""

    folder: Path
    limit: str
    used: str

    @property
    def entrance(self) -> Path:
        return self.folder / "cgroup.procs"

    def leave_only(self, bytes_left: int | None) -> None:
        """From now on its processes may take so much more, or as much as there is."""
        used = int((self.folder / self.used).read_text())
        endless = "max" if self.limit == "memory.max" else "-1"
        (self.folder / self.limit).write_text(endless if bytes_left is None else str(used + bytes_left))


@contextmanager
def memory_group() -> Iterator[MemoryGroup | None]:
    """A group of its own; None where the kernel, the machine or the user does not allow it, or keeps its log secret."""
    group = _make() if read_kernel_log() else None
    try:
        yield group
    finally:
        if group is not None:
            _remove(group.folder)


def read_kernel_log() -> list[str]:
    """What the kernel says, a line each; nothing where it tells nobody."""
    with suppress(OSError):
        return subprocess.run(["dmesg"], capture_output=True, text=True, check=False).stdout.splitlines()
    return []


def _make() -> MemoryGroup | None:
    name = f"lux-test-{secrets.token_hex(6)}"
    for group in (
        MemoryGroup(GROUPS / "memory" / name, "memory.limit_in_bytes", "memory.usage_in_bytes"),
        MemoryGroup(GROUPS / name, "memory.max", "memory.current"),
    ):
        try:
            group.folder.mkdir()
        except OSError:
            continue
        try:
            group.leave_only(None)
        except OSError:
            _remove(group.folder)
            continue
        return group
    return None


def _remove(folder: Path) -> None:
    """Takes the group away; a process that has just ended may still stand in it for a moment."""
    for _ in range(100):
        with suppress(OSError):
            folder.rmdir()
            return
        time.sleep(0.05)
    folder.rmdir()
