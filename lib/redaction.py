"""Takes secrets and people's addresses out of text and values before they are stored, logged or shown.

Every pattern stands behind a cheap test, so that a line with nothing to hide costs almost nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

MASK = "[redacted]"
LONGEST_TEXT = 20_000
DEEPEST = 6
MOST_ITEMS = 50

_SECRET_KEY = re.compile(
    r"passw|passwd|pwd|token|secret|authorization|cookie|credential|api[_-]?key|private|signature|session"
    r"|(^|[_-])key$|(^|[_-])auth($|[_-])",
    re.IGNORECASE,
)
_AUTHORIZATION = re.compile(r"\b(bearer|basic|digest|token)(\s+|%20|\+)[A-Za-z0-9+/._~=-]{6,}", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*")
_PREFIXED = re.compile(
    r"\b(sk|pk|rk|ghp|gho|ghs|github_pat|glpat|xox[abposr]|AKIA|ASIA|AIza|SG|key|whsec|npm|hf|dop_v1|lux)"
    r"([-_.])[A-Za-z0-9_./=-]{8,}|\b(AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{20,}"
)
_URL_LOGIN = re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://)[^\s/@'\"<>]{1,200}@", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"""(?P<name>["']?[\w.-]*(?:passw(?:or)?d|passwd|pwd|token|secret|authorization|cookie|credential|api[_-]?key)[\w.-]*["']?"""
    r"""\s*(?:[:=]|=>)\s*)(?P<value>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;&)}\]]+)""",
    re.IGNORECASE,
)
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL)
_ADDRESS = re.compile(r"([A-Za-z0-9._%+'-])[A-Za-z0-9._%+'-]{0,63}(?:@|%40)((?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24})")
_PHONE = re.compile(r"(?<![\w.:/-])\+\d[\d\s().-]{7,18}\d(?![\w:-])")
_PHONE_SPACED = re.compile(r"(?<![\w.:/-])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w:-])")


@dataclass(frozen=True)
class Redactor:
    """Redacts text and values. `own_secrets` are this process's secrets: they go by exact value, wherever they stand."""

    own_secrets: tuple[str, ...] = field(default=())

    @classmethod
    def knowing(cls, secrets: Iterable[str | None]) -> Redactor:
        """A redactor that knows the process's secrets; those under six characters are too short to look for."""
        return cls(tuple(sorted({s for s in secrets if s and len(s) >= 6}, key=len, reverse=True)))

    def text(self, text: str) -> str:
        """The text without secrets, with addresses and phone numbers masked."""
        text = text[:LONGEST_TEXT]
        for secret in self.own_secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        for is_worth_it, pattern, replacement in _RULES:
            if is_worth_it(text):
                text = pattern.sub(replacement, text)
        return text

    def value(self, value: Any, key: str = "", depth: int = 0) -> Any:
        """A JSON-ready copy of any value, redacted; whatever stands under a secret's key is masked whole."""
        if key and _SECRET_KEY.search(key) and value not in (None, True, False, ""):
            return MASK
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes | bytearray):
            return self.text(bytes(value[:LONGEST_TEXT]).decode("utf-8", "replace"))
        if depth >= DEEPEST:
            return "…"
        if isinstance(value, Mapping):
            items = list(value.items())[:MOST_ITEMS]
            return {self.text(str(k)): self.value(v, str(k), depth + 1) for k, v in items}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item, key, depth + 1) for item in list(value)[:MOST_ITEMS]]
        return self.text(_safe_repr(value))


def mask_address(address: str) -> str:
    """An e-mail address as logs may show it: a***@example.com."""
    return _ADDRESS.sub(r"\1***@\2", address)


def _safe_repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # a broken __repr__ must not break the logger
        return f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"


def _has_long_token(text: str) -> bool:
    return "-" in text or "_" in text or "AKIA" in text or "ASIA" in text or "AIza" in text or "SG." in text


_LOOKS_ASSIGNED = re.compile(r"pass|pwd|token|secret|authorization|cookie|credential|api[_-]?key", re.IGNORECASE)
_HAS_DIGITS = re.compile(r"\d{4}")

_RULES: tuple[tuple[Callable[[str], bool], re.Pattern[str], str], ...] = (
    (lambda t: "PRIVATE KEY" in t, _PEM, MASK),
    (lambda t: "://" in t and "@" in t, _URL_LOGIN, rf"\1{MASK}@"),
    (lambda t: "eyJ" in t, _JWT, MASK),
    (lambda t: any(w in t.lower() for w in ("bearer", "basic", "digest", "token")), _AUTHORIZATION, rf"\1 {MASK}"),
    (lambda t: _LOOKS_ASSIGNED.search(t) is not None, _ASSIGNED, rf"\g<name>{MASK}"),
    (_has_long_token, _PREFIXED, MASK),
    (lambda t: "@" in t or "%40" in t, _ADDRESS, r"\1***@\2"),
    (lambda t: "+" in t and _HAS_DIGITS.search(t) is not None, _PHONE, "[phone]"),
    (lambda t: _HAS_DIGITS.search(t) is not None, _PHONE_SPACED, "[phone]"),
)
