"""HTML made small for the way to the browser, without telling its length to whoever watches the wire."""

from __future__ import annotations

import secrets
import struct
import zlib

LEVEL = 5
MOST_PADDING_BYTES = 100
FILE_NAME_FOLLOWS = 8


def gzip_padded(body: bytes) -> bytes:
    """The body as gzip. A random file name in its header blurs the length, from which secrets could be guessed
    when a page shows what an attacker sent beside a token (the attack is known as BREACH)."""
    padding = b"x" * secrets.randbelow(MOST_PADDING_BYTES) + b"\0"
    header = b"\x1f\x8b\x08" + bytes([FILE_NAME_FOLLOWS]) + b"\0\0\0\0\0\xff" + padding
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = compressor.compress(body) + compressor.flush()
    return header + packed + struct.pack("<II", zlib.crc32(body), len(body) & 0xFFFFFFFF)
