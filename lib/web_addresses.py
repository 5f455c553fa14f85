"""Web addresses as they stand in running text, spelled out or bare."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# Endings that mail programs turn into links by themselves when somebody writes a bare name such as example.com.
_ENDINGS = (
    "com|net|org|info|biz|io|co|ai|app|dev|shop|store|online|site|xyz|top|club|link|click|live|me|eu|uk|de|fr|us|ru|cn"
)
_SPELLED = re.compile(r"\b(?:[a-z][a-z0-9+.-]{1,20}://|www\.)[^\s<>()\"'\]]+", re.I)
_BARE = re.compile(rf"(?<![@\w./-])(?:[a-z0-9-]+\.)+(?:{_ENDINGS})\b(?:/[^\s<>()\"'\]]*)?", re.I)


def find_addresses(text: str) -> list[str]:
    """Every address in the text as it is written, without the full stop after it."""
    spelled = [match[0].rstrip(".,;:!?") for match in _SPELLED.finditer(text)]
    bare = [match[0].rstrip(".,;:!?") for match in _BARE.finditer(_SPELLED.sub(" ", text))]
    return list(dict.fromkeys(spelled + bare))


def host_of(address: str) -> str:
    """The host of an address, spelled out or bare; "" when there is none."""
    try:
        host = urlsplit(address if "://" in address else f"https://{address}").hostname or ""
    except ValueError:
        return ""
    return host.lower().removeprefix("www.")
