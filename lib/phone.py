"""Phone numbers as people and spreadsheets write them, read into E.164 where they are valid."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import phonenumbers

from lib.clean_text import cut, one_line

LONGEST_RAW = 60
_SCIENTIFIC = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE]\+?\d{1,2}")
_WITH_ZEROS = re.compile(r"\+?\d+\.0+")
_ALTERNATIVES = re.compile(r"\s*(?:[;,|\n]|\s/\s|\bor\b|\boder\b|\bou\b)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Phone:
    """A phone number: `e164` when it is valid, `raw` as it came."""

    e164: str | None
    raw: str


def read_phone(value: object, region: str) -> Phone | None:
    """Reads text or a number; None when nothing was said.

    `region` is the two-letter country of numbers without a country code.
    """
    raw = cut(one_line(_written(value)), LONGEST_RAW)
    if not any(letter.isalnum() for letter in raw):
        return None
    for spelling in _spellings(raw):
        valid = _valid(spelling, region)
        if valid:
            return Phone(valid, raw)
    return Phone(None, raw)


def _written(value: object) -> str:
    """The number as digits: a spreadsheet or a JSON encoder may have made 1.2025550143e10 of it."""
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if math.isfinite(value) and abs(value) < 1e16 else ""
    if isinstance(value, int):
        return str(value) if abs(value) < 10**30 else ""
    if not isinstance(value, str):
        return ""
    text = value.strip().lstrip("'`’")
    if _SCIENTIFIC.fullmatch(text):
        try:
            return f"{Decimal(text.replace(',', '.')):.0f}"
        except InvalidOperation:
            return text
    return text.partition(".")[0] if _WITH_ZEROS.fullmatch(text) else text


def _spellings(raw: str) -> Iterator[str]:
    """What the text may mean, the likeliest first."""
    plain = unicodedata.normalize("NFKC", raw)
    plain = re.sub(r"^(?:tel|phone|mobile|cell|whatsapp|callto|sms)\s*[:.]\s*", "", plain, flags=re.IGNORECASE)
    yield from _ways_to_read(plain)
    for part in [part for part in _ALTERNATIVES.split(plain) if part and part != plain][:5]:
        yield from _ways_to_read(part)


def _ways_to_read(part: str) -> Iterator[str]:
    digits = re.sub(r"\D", "", part)
    if re.match(r"[\s(]*00", part):
        yield "+" + digits[2:]
    yield part
    if not part.lstrip(" (").startswith("+") and 11 <= len(digits) <= 15 and not re.search(r"[^\W\d]", part):
        yield "+" + digits


def _valid(text: str, region: str) -> str | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
