"""Text from strangers made safe to store and compare: bytes decoded, NUL and lone surrogates out, blanks recognised."""

from __future__ import annotations

import codecs
import json
import re
import unicodedata
from functools import lru_cache

# Zero-width characters, byte-order marks and direction marks: invisible in a form, different in a comparison.
INVISIBLE = (
    "\u00ad\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
)
# A name may need the joiners (Persian, Hindi, emoji): these go only out of text that is compared.
JOINERS = "\u200c\u200d"

BLANK_WORDS = frozenset(
    {"null", "NULL", "(null)", "<null>", "nil", "undefined", "None", "NaN", "nan", "[object Object]", "#N/A", "#REF!"}
)
# What a sender's template language leaves behind when it had nothing to put there.
PLACEHOLDER = re.compile(
    r"=?\{\{[^{}]*\}\}"  # Zapier, Handlebars, n8n
    r"|\$\{[^{}]*\}"  # JavaScript
    r"|\{%[^%]*%\}"  # Jinja, Liquid
    r"|\*\|[^|]*\|\*"  # Mailchimp
    r"|<<[^<>]*>>|%%[^%]+%%|\[\[[^\[\]]*\]\]"
)
_BRACES = re.compile(r"=?\{\{[^{}]*\}\}")

# Only codecs that map bytes to letters: some of Python's others (punycode, idna) take quadratic time.
CHARSETS = {
    name: codecs.lookup(name).name
    for name in (
        "utf-8", "utf8", "us-ascii", "ascii", "utf-16", "utf-16le", "utf-16be", "utf-32", "iso-8859-1", "latin1",
        "latin-1", "iso-8859-2", "iso-8859-5", "iso-8859-7", "iso-8859-9", "iso-8859-15", "windows-1250",
        "windows-1251", "windows-1252", "windows-1253", "windows-1254", "windows-1256", "cp1252", "koi8-r",
        "shift_jis", "euc-jp", "euc-kr", "gb18030", "gbk", "gb2312", "big5", "iso-2022-jp",
    )
}  # fmt: skip
ASCII_CHARSETS = frozenset({"ascii", "iso8859-1"})

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_INVISIBLE = re.compile(f"[{INVISIBLE}]")
_INVISIBLE_BUT_JOINERS = re.compile(f"[{''.join(mark for mark in INVISIBLE if mark not in JOINERS)}]")


def decode_bytes(raw: bytes, charset: str | None = None) -> str:
    """Reads bytes as text, whatever they are: by mark, by the declared charset, as UTF-8, at last as cp1252."""
    for mark, codec in ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if raw.startswith(mark):
            return raw.decode(codec, "replace").lstrip("\ufeff")
    declared = CHARSETS.get((charset or "").strip().strip("\"'").lower())
    guesses = ["utf-8"]
    if declared and declared not in ASCII_CHARSETS:
        guesses.insert(0, declared)
    if b"\x00" in raw[:4]:
        guesses.insert(0, json.detect_encoding(raw))
    for guess in guesses:
        try:
            text = raw.decode(guess)
        except UnicodeDecodeError:
            continue
        if not guess.startswith(("utf-16", "utf-32")) or text.isascii() or text.lstrip()[:1] in tuple('{["'):
            return text
    return raw.decode("cp1252", "cp1252_or_latin1")


def clean_text(text: str) -> str:
    """The text without what PostgreSQL, jsonb or a terminal cannot take: NUL, control characters, lone surrogates."""
    if text.isascii() and text.isprintable():
        return text
    if not text.isascii():
        text = _paired_surrogates(text)
    return _FORBIDDEN.sub("", text)


def one_line(text: str) -> str:
    """Cleaned, invisible marks out, runs of white space made one blank, ends trimmed."""
    if text.isascii():
        return " ".join(clean_text(text).split())
    return " ".join(_INVISIBLE_BUT_JOINERS.sub("", clean_text(text)).split()).strip(JOINERS)


def without_invisible(text: str) -> str:
    """Cleaned and without any invisible mark: for what is compared, such as an address."""
    if text.isascii():
        return clean_text(text)
    return _INVISIBLE.sub("", clean_text(text))


def present(text: str) -> str:
    """One line without unresolved placeholders; empty when nothing was said (blank, "null", "{{name}}")."""
    line = one_line(text)
    if PLACEHOLDER.fullmatch(line):
        return ""
    if "{{" in line:
        line = " ".join(_BRACES.sub("", line).split())
    return "" if line in BLANK_WORDS or line.strip("-–—_.… ") == "" else line


@lru_cache(maxsize=4096)
def key_letters(key: str) -> str:
    """A key as it is compared: NFKD, casefold, letters and digits only."""
    if key.isascii():
        return "".join(letter for letter in key.casefold() if letter.isalnum())
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", key).casefold())
    return "".join(letter for letter in folded if letter.isalnum())


def folded(text: str) -> str:
    """Text as rules compare it: NFKC, casefold, one line."""
    line = one_line(text)
    return (
        line.casefold()
        if line.isascii()
        else unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", line).casefold())
    )


def cut(text: str, length: int) -> str:
    """At most `length` characters, the last of them an ellipsis where something was cut."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _paired_surrogates(text: str) -> str:
    """Surrogate halves that stand together become the character they mean; lone ones stay for the caller to drop."""
    if not re.search("[\ud800-\udbff][\udc00-\udfff]", text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass_lone")


def _latin1_byte(error: UnicodeError) -> tuple[str, int]:
    """cp1252 leaves five bytes undefined: they read as latin-1 does, as control characters."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(byte) for byte in error.object[error.start : error.end]), error.end


def _lone_surrogate(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "", min(error.start + 2, len(error.object))


codecs.register_error("cp1252_or_latin1", _latin1_byte)
codecs.register_error("surrogatepass_lone", _lone_surrogate)
