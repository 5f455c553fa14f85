"""Which release of LUX runs here: the version, and which state of the code that is.

A checkout tells it by its commit, a server's release by the fingerprint that deploy/upgrade.sh leaves in its folder.
"""

from __future__ import annotations

import contextlib
import re
from functools import cache
from pathlib import Path

VERSION = "0.1.0"


@cache
def release_name(root: Path) -> str:
    """Such as `0.1.0+1a2b3c4d`; where nothing tells which state it is, only the version."""
    state = _find_commit(root / ".git") or _find_fingerprint(root / ".fingerprint")
    return f"{VERSION}+{state[:8]}" if state else VERSION


def _find_fingerprint(path: Path) -> str | None:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        word = path.read_text().strip()
        return word if re.fullmatch(r"[0-9a-f]{8,64}", word) else None
    return None


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
