"""Finds and defuses the phrase that would make LUX repair, in any spelling, in text that a model is about to read.

A stranger's text never carries it into a prompt: not as it stands, and not in an encoding that a model can undo.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote_plus

from lib.clean_text import without_invisible

ACTION_LINE = "ACTION: REPAIR_ERRORS"
TAKEN_OUT = "[an order, taken out]"
DEEPEST = 4
LONGEST_PIECE = 4000

# Letters apart, in any case, with whatever marks between the words.
_GAP = r"[\W_]{0,12}"
_PHRASE = re.compile(rf"r{_GAP}e{_GAP}p{_GAP}a{_GAP}i{_GAP}r{_GAP}e{_GAP}r{_GAP}r{_GAP}o{_GAP}r{_GAP}s", re.IGNORECASE)
_PLAIN = re.compile(r"(?:action[\W_]{0,12})?(?:auto[\W_]?)?repair[\W_]{1,12}errors|repairerrors", re.IGNORECASE)
# What a person may well say; only the sign between the words or the word before makes it the phrase.
_ORDINARY = re.compile(r"(?<!\w)(?<!action )(?<!action: )(?<!action:)repair errors(?!\w)", re.IGNORECASE)
_ENCODED = re.compile(
    r"[A-Za-z0-9+/_-]{16,}={0,2}|(?:[0-9A-Fa-f]{2}[\s:]?){12,}|\S*(?:%[0-9A-Fa-f]{2}|&#?\w+;|\\[xu])\S*"
)
_ESCAPE = re.compile(r"\\x([0-9A-Fa-f]{2})|\\u\{?([0-9A-Fa-f]{4,6})\}?|\\([0-7]{3})")
# Letters of other scripts that look like ours.
_LOOKALIKE = str.maketrans("асеорхуіѕАВЕІКМНОРСТХЅ", "aceopxyisABEIKMHOPCTXS")


def has_order(text: str) -> bool:
    """Whether the phrase is in the text, as it stands or within an encoding."""
    rest = _ORDINARY.sub("", text)
    return any(_PHRASE.search(reading) is not None for reading in _readings(rest, DEEPEST))


def without_orders(text: str) -> str:
    """The text with the phrase taken out, in whatever spelling; all of a line goes when it cannot be told apart."""
    if not has_order(text):
        return text
    shorter = _PLAIN.sub(lambda match: match[0] if _ORDINARY.fullmatch(match[0]) else TAKEN_OUT, text)
    shorter = _ENCODED.sub(lambda match: TAKEN_OUT if has_order(match[0]) else match[0], shorter)
    if not has_order(shorter):
        return shorter
    kept = [TAKEN_OUT if has_order(line) else line for line in shorter.splitlines()]
    whole = "\n".join(kept)
    return whole if not has_order(whole) else TAKEN_OUT


def _readings(text: str, depth: int) -> Iterator[str]:
    """The text, and what it says when it is decoded once more, and once more."""
    folded = unicodedata.normalize("NFKD", without_invisible(text)).translate(_LOOKALIKE)
    folded = "".join(letter for letter in folded if not unicodedata.combining(letter))
    yield folded
    if depth == 0:
        return
    for opened in {unquote_plus(folded), html.unescape(folded), _ESCAPE.sub(_unescape, folded)} - {folded}:
        yield from _readings(opened, depth - 1)
    yield folded[::-1]
    yield codecs.decode(folded, "rot13")
    for match in re.finditer(r"[A-Za-z0-9+/_-]{12,}={0,2}", folded):
        yield from _decoded(_base64(match[0]), depth)
        yield from _decoded(_base32(match[0]), depth)
    for match in re.finditer(r"(?:(?:0x)?[0-9A-Fa-f]{2}[\s:,]{0,2}){12,}", folded):
        yield from _decoded(_hex(match[0]), depth)
    for match in re.finditer(r"(?:\d{2,3}[\s,;]{1,2}){11,}\d{2,3}", folded):
        yield from _decoded(bytes(int(number) % 256 for number in re.findall(r"\d+", match[0])), depth)


def _decoded(content: bytes | None, depth: int) -> Iterator[str]:
    if content and len(content) <= LONGEST_PIECE:
        for charset in ("utf-8", "utf-16-le"):
            text = content.decode(charset, "ignore")
            if sum(letter.isprintable() or letter.isspace() for letter in text) > 0.8 * max(1, len(text)):
                yield from _readings(text, depth - 1)


def _unescape(match: re.Match[str]) -> str:
    number = int(match[3], 8) if match[3] else int(match[1] or match[2], 16)
    return chr(number) if number < 0x110000 else ""


def _base64(text: str) -> bytes | None:
    bare = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(bare[: len(bare) - (len(bare) % 4 == 1)] + "=" * (-len(bare) % 4), validate=False)
    except (binascii.Error, ValueError):
        return None


def _base32(text: str) -> bytes | None:
    bare = text.rstrip("=").upper()
    try:
        return base64.b32decode(bare + "=" * (-len(bare) % 8))
    except (binascii.Error, ValueError):
        return None


def _hex(text: str) -> bytes | None:
    digits = "".join(re.findall(r"[0-9A-Fa-f]{2}", text.replace("0x", "")))
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return None
