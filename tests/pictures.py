"""Pictures as bytes, sound and hostile ones, made where a test needs them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image


def encoded(form: str, *, size: tuple[int, int] = (64, 48), mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, "#8c2dd9").save(out, form, **options)
    return out.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def claimed_png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG whose header claims a size that its data need not have."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def translucent(form: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGBA", (40, 40), (140, 45, 217, 90)).save(out, form)
    return out.getvalue()
