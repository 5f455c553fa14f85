"""Which version of LUX runs here: the version, and the commit when the folder is a git checkout."""

from __future__ import annotations

import contextlib
import re
from functools import cache
from pathlib import Path

VERSION = "0.1.0"


@cache
def release_name(root: Path) -> str:
    """Such as `0.1.0+1a2b3c4d`; without a checkout only the version."""
    commit = _find_commit(root / ".git")
    return f"{VERSION}+{commit[:8]}" if commit else VERSION


def _find_commit(folder: Path) -> str | None:
    with contextlib.suppress(OSError):
        head = (folder / "HEAD").read_text().strip()
        if re.fullmatch(r"[0-9a-f]{40}", head):
            return head
        name = head.removeprefix("ref: ")
        with contextlib.suppress(OSError):
            return (folder / name).read_text().strip()
        packed = (folder / "packed-refs").read_text()
        match = re.search(rf"^([0-9a-f]{{40}}) {re.escape(name)}$", packed, re.MULTILINE)
        return match.group(1) if match else None
    return None
