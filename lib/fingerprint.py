"""What makes two errors the same: the exception's class, the way through our own code, the message without its values.

Line numbers stay out, so that a deploy splits nothing. VERSION changes when the rules do.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from types import TracebackType

VERSION = 1
LONGEST_MESSAGE = 500
MOST_FRAMES = 40

# Order matters: the longer shapes first, so that a date is not taken for numbers.
_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE), "<uuid>"),
    (re.compile(r"[\w.%+*'-]+@[\w-]+(?:\.[\w-]+)+"), "<address>"),
    (re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>]+", re.IGNORECASE), "<url>"),
    (re.compile(r"\b\d{4}[-/]\d\d[-/]\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"), "<date>"),
    (re.compile(r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b"), "<time>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"), "<ip>"),
    (re.compile(r"\b0x[0-9a-f]+\b", re.IGNORECASE), "<hex>"),
    (re.compile(r"'(?:[^'\\\n]|\\.){0,300}'|\"(?:[^\"\\\n]|\\.){0,300}\"|‘[^’\n]{0,300}’|“[^”\n]{0,300}”"), "<value>"),
    (re.compile(r"(?<==)(?:\([^()\n]{0,300}\)|[^\s,;&()<>]{1,300})"), "<value>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{12,}\b", re.IGNORECASE), "<hex>"),
    (re.compile(r"\b(?=\w*\d)(?=\w*[A-Za-z])[\w-]{16,}\b"), "<id>"),
    (re.compile(r"(?<![\w.])[-+]?\d+(?:[.,]\d+)*(?![\w])"), "<n>"),
    (re.compile(r"\s+"), " "),
)


def message_template(message: str) -> str:
    """The message with addresses, ids, numbers, dates and quoted values taken out."""
    text = message[:LONGEST_MESSAGE]
    for pattern, shape in _SHAPES:
        text = pattern.sub(shape, text)
    return text.strip()


def own_frames(traceback: TracebackType | None, root: str) -> list[str]:
    """`module:function` of each frame that lies under `root` and not in an environment there, outermost first."""
    frames: list[str] = []
    while traceback is not None and len(frames) < MOST_FRAMES:
        code = traceback.tb_frame.f_code
        if is_own_file(code.co_filename, root):
            frames.append(f"{traceback.tb_frame.f_globals.get('__name__', '?')}:{code.co_name}")
        traceback = traceback.tb_next
    return frames


def is_own_file(path: str, root: str) -> bool:
    """Whether a source file is LUX's own."""
    return path.startswith(root) and "site-packages" not in path and "/.venv/" not in path


def fingerprint(error_type: str, frames: Sequence[str], message: str, place: str) -> str:
    """32 hexadecimal digits, the same for errors of one kind. `place` is the route's rule, the task or the job."""
    parts = [str(VERSION), error_type, *frames, message_template(message), place]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]
