"""Web addresses as they stand in running text, spelled out or bare."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import urlsplit

# Endings that mail programs turn into links by themselves when somebody writes a bare name such as example.com.
_ENDINGS = (
    "com|net|org|info|biz|io|co|ai|app|dev|shop|store|online|site|website|xyz|top|club|link|click|live|me|eu|us|uk|de|"
    "fr|es|it|nl|pl|se|no|ch|at|be|ru|cn|in|jp|br|ca|au|tk|zip|mov|cloud|page|pro|tech|fun|icu|vip|win|space|example"
)
_SCHEMED = r"(?:[a-z][a-z0-9+.-]{1,20}:\s{0,3}/{1,3}|//|www\.)[^\s<>()\"'\]]+"
_SPELLED = re.compile(rf"(?<![\w/:]){_SCHEMED}|\b(?:javascript|data|vbscript|mailto|tel|https?):[^\s<>()\"'\]]+", re.I)
_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
_NAMED = re.compile(rf"(?<![@\w./-])(?:{_LABEL}\.)+(?:{_ENDINGS})(?![\w-])(?:[/?#:][^\s<>()\"'\]]*)?", re.I)
# A name with a path or a port behind it is an address whatever it ends in.
_PATHED = re.compile(rf"(?<![@\w./-])(?:{_LABEL}\.)+[^\W\d_]{{2,24}}(?:/[^\s<>()\"'\]]+|/(?=\s|$)|:\d{{2,5}})", re.I)
_NUMBERED = re.compile(r"(?<![\w./-])\d{1,3}(?:\.\d{1,3}){3}(?:[/:][^\s<>()\"'\]]*)?")
# Other dots that browsers read as one, and marks that nobody sees.
_DOTS = str.maketrans(dict.fromkeys("。．｡․", ".") | dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff"))


def find_addresses(text: str) -> list[str]:
    """Every address in the text as a mail program may read it, without the full stop after it."""
    rest = unicodedata.normalize("NFKC", text.translate(_DOTS)).translate(_DOTS)
    found = []
    for pattern in (_SPELLED, _PATHED, _NAMED, _NUMBERED):
        found += [match[0].rstrip(".,;:!?") for match in pattern.finditer(rest)]
        rest = pattern.sub(" ", rest)
    return list(dict.fromkeys(found))


def host_of(address: str) -> str:
    """The host of an address, spelled out or bare; "" when there is none, or when programs may not agree on it."""
    if "\\" in address:
        return ""
    try:
        parts = urlsplit(address if "://" in address else f"https://{address}")
        host = parts.hostname or ""
    except ValueError:
        return ""
    return "" if parts.username is not None else host.lower().removeprefix("www.")
