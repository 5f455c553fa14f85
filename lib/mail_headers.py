"""Header lines of mail: encoded words, folding, addresses; every line break in a value is refused."""

from __future__ import annotations

import re
from base64 import b64encode

from lib.merge_tags import HeaderRefused, refuse_line_breaks

FOLD_CHARACTERS = 76
MAX_HEADER_CHARACTERS = 4000
ENCODED_BYTES = 42  # 56 characters of base64 and 12 around them
SIMPLE = re.compile(r"[ -~]*")
ATOMS = re.compile(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]*")
BARE_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,255}")
ANY_ADDRESS = re.compile(
    r"[^\s<>()\[\],;:\\\"@\x00-\x20\x7f-\xa0\u2028\u2029]{1,64}@[^\s<>()\[\],;:\\\"@\x00-\x2c\x7f-\xa0]{1,255}"
)
LOOKS_ENCODED = re.compile(r"=\?.*\?=")


def encode_header(name: str, value: str) -> bytes:
    """`Name: value` and CRLF, folded. Raises HeaderRefused for a line break or a name that is none."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,60}", name):
        raise HeaderRefused("A header's name is letters, digits and hyphens.")
    return name.encode("ascii") + b": " + encode_header_value(value, len(name) + 2) + b"\r\n"


def encode_header_value(value: str, used: int) -> bytes:
    """An unstructured value, folded so that each line stays within 78; `used` characters stand before it."""
    value = refuse_line_breaks(value).strip()
    if len(value) > MAX_HEADER_CHARACTERS:
        raise HeaderRefused("A header value is too long.")
    if SIMPLE.fullmatch(value) and not LOOKS_ENCODED.search(value):
        folded = _fold(value, used)
        if folded is not None:
            return folded
    return _encoded_words(value, used)


def encode_bare_address(address: str) -> bytes:
    """An address for the envelope or a header: its domain in ASCII. Raises HeaderRefused for what is no address."""
    if BARE_ADDRESS.fullmatch(address):
        return address.encode("ascii")
    if not ANY_ADDRESS.fullmatch(address):
        raise HeaderRefused("This is no plain address.")
    local, _, domain = address.rpartition("@")
    try:
        return local.encode("utf-8") + b"@" + domain.encode("idna")
    except UnicodeError as error:
        raise HeaderRefused("This address has no usable domain.") from error


def encode_address(name: str, address: str, used: int) -> bytes:
    """`"Name" <address>`, the name quoted or encoded. Raises HeaderRefused for anything that breaks out."""
    bare = encode_bare_address(address)
    name = refuse_line_breaks(name).strip()
    if not name:
        return bare
    if ATOMS.fullmatch(name) and not LOOKS_ENCODED.search(name) and used + len(name) <= FOLD_CHARACTERS:
        shown = name.encode("ascii")
    elif SIMPLE.fullmatch(name) and not LOOKS_ENCODED.search(name) and used + len(name) <= FOLD_CHARACTERS - 4:
        shown = b'"' + name.replace("\\", "\\\\").replace('"', '\\"').encode("ascii") + b'"'
    else:
        shown = _encoded_words(name, used)
    return shown + b"\r\n <" + bare + b">"


def _fold(value: str, used: int) -> bytes | None:
    """Folded at blanks, or None when a single word is too long for a line."""
    if used + len(value) <= FOLD_CHARACTERS:
        return value.encode("ascii")
    lines: list[str] = [""]
    room = FOLD_CHARACTERS - used
    for word in re.findall(r" *[^ ]+", value):
        if len(word) > FOLD_CHARACTERS:
            return None
        if len(lines[-1]) + len(word) > room and lines[-1]:
            lines.append("")
            room = FOLD_CHARACTERS
        lines[-1] += word
    return "\r\n".join(lines).encode("ascii") if all(line.startswith(" ") for line in lines[1:]) else None


def _encoded_words(value: str, used: int) -> bytes:
    """RFC 2047 words in UTF-8 and base64; no character is cut in two."""
    words: list[bytes] = []
    room = max(3, min(ENCODED_BYTES, (FOLD_CHARACTERS - used - 12) // 4 * 3))
    current = b""
    for character in value:
        encoded = character.encode("utf-8", "replace")
        if len(current) + len(encoded) > max(room, 4):
            words.append(current)
            current, room = b"", ENCODED_BYTES
        current += encoded
    words.append(current)
    return b"\r\n ".join(b"=?utf-8?b?" + b64encode(word) + b"?=" for word in words if word)
