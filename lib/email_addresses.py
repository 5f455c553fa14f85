"""E-mail addresses as people and programs write them, read into their one canonical form."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from urllib.parse import unquote

from email_validator import EmailNotValidError, validate_email

from lib.clean_text import without_invisible

LONGEST_ADDRESS = 254
MOST_ADDRESSES = 20

_ANGLE = re.compile(r"<\s*(?:mailto:\s*)?([^<>\s]+)\s*>", re.IGNORECASE)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_COMMENT = re.compile(r"\([^()]*\)")
_SEPARATORS = re.compile(r"[,;|\r\n\t]+|\s/\s")
# Nearly all addresses are this plain. What email-validator would say of them is known without asking it, which a test
# checks; it refuses these endings, and labels whose third and fourth letter are hyphens.
_PLAIN = re.compile(r"[a-z0-9_]+(?:[.+-][a-z0-9_]+)*@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,24}")
_SPECIAL = (".arpa", ".invalid", ".local", ".localhost", ".onion", ".test")
LONGEST_PLAIN = 64
_AT_SIGNS = str.maketrans({"＠": "@", "﹫": "@", "．": ".", "。": ".", "｡": "."})


class AddressInvalid(ValueError):
    """The text is not one usable e-mail address."""


def canonical_address(text: str) -> str:
    """The form under which an address is known: lower case, domain in Unicode, plus-tag kept.

    Raises AddressInvalid. No DNS is asked.
    """
    return _canonical(without_invisible(text).strip())


@lru_cache(maxsize=4096)
def _canonical(bare: str) -> str:
    plain = bare.lower()
    if _is_plain(plain):
        return plain
    if not bare or len(bare) > LONGEST_ADDRESS * 2 or "@" not in bare:
        raise AddressInvalid("An e-mail address has one @ with something on both sides.")
    try:
        valid = validate_email(bare, check_deliverability=False, strict=True)
        address = unicodedata.normalize("NFC", valid.normalized.lower())
        if address != valid.normalized:
            address = validate_email(address, check_deliverability=False, strict=True).normalized
    except EmailNotValidError as error:
        raise AddressInvalid(str(error)) from error
    except (UnicodeError, ValueError, IndexError) as error:  # idna raises its own on a few broken labels
        raise AddressInvalid("The domain of the address cannot be read.") from error
    if len(address) > LONGEST_ADDRESS:
        raise AddressInvalid("The address is too long.")
    return address


def read_addresses(text: str) -> list[str]:
    """The usable addresses of a text such as `"Lee, Ann" <mailto:ann@example.com>; al@example.org`, in order.

    Each part must be an address as a whole: "ann lee@example.com" gives nothing.
    """
    plain = text.strip().lower()
    if _is_plain(plain):
        return [plain]
    bare = without_invisible(text).translate(_AT_SIGNS).strip()
    if "@" not in bare and "%40" in bare:
        bare = unquote(bare)
    if "@" not in bare:
        return []
    found: list[str] = []
    for part in _parts(bare):
        try:
            address = _canonical(part)
        except AddressInvalid:
            continue
        if address not in found:
            found.append(address)
            if len(found) >= MOST_ADDRESSES:
                break
    return found


def is_address(text: str) -> bool:
    """Whether the text is one usable address and nothing else."""
    try:
        canonical_address(text)
    except AddressInvalid:
        return False
    return True


def masked_address(address: str) -> str:
    """The address as logs may show it: `a…@e….com`."""
    local, at, domain = address.rpartition("@")
    if not at:
        return "…"
    name, dot, ending = domain.rpartition(".")
    return f"{local[:1]}…@{name[:1]}…{dot}{ending}"


def _is_plain(text: str) -> bool:
    return len(text) <= LONGEST_PLAIN and _PLAIN.fullmatch(text) is not None and not text.endswith(_SPECIAL)


def _parts(text: str) -> list[str]:
    parts: list[str] = []
    for piece in _SEPARATORS.split(_QUOTED.sub(" ", text)):
        angle = _ANGLE.findall(piece)
        if angle:
            parts.extend(_bare(address) for address in angle)
            continue
        words = _COMMENT.sub(" ", piece).split()
        if all("@" in word for word in words):
            parts.extend(_bare(word) for word in words)
    return parts


def _bare(word: str) -> str:
    word = word.strip("<>[]'`‘’“”").rstrip(".!?:")
    if word[:7].lower() == "mailto:":
        word = unquote(word[7:].partition("?")[0])
    return word
