"""Takes secrets and people's addresses out of text and values before they are stored, logged or shown.

Every pattern stands behind a cheap test, so that a line with nothing to hide costs almost nothing. To add a pattern,
add a Rule to _RULES and a row to the table of tests/lib/test_redaction.py.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

MASK = "[redacted]"
LONGEST_TEXT = 20_000
# A secret that the end of the text would cut in two is still seen whole.
MARGIN = 2_000
SHORTEST_OWN_SECRET = 6
DEEPEST = 6
MOST_ITEMS = 50

# Under a key like these everything is masked. Generous: in data, a masked sort_key costs nothing.
_SECRET_KEY = re.compile(
    r"pass(?:w|phrase|code)|pwd|token|secret|authorization|cookie|credential|private|signature|session|csrf|otp"
    r"|(?:^|[_\-.\s])keys?$|(?-i:(?<=[a-z])Keys?$)|api_?key|(?:^|[_-])(?:auth|dsn|pass|pin|sid)(?:$|[_-])",
    re.IGNORECASE,
)
_COUNT_KEY = re.compile(r"tokens$|tokens?_(?:count|used|limit|left|budget)$|^(?:max|n|num)_tokens?", re.IGNORECASE)

# In free text the name must end where a secret's name ends: `password_reset` and `tokens: 12` are ordinary words.
_NAME = (
    r"(?:passw(?:or)?d|passphrase|passcode|pwd|secret|credentials?|(?:api|access|private|secret|signing|encryption)"
    r"[_\-. ]?key(?:[_-]?id)?|token|session[_-]?(?:id|key)|csrf(?:[_-]?token)?)"
)
_TAIL = r"(?:[_-]?(?:hash|value|code|text|\d{1,2}|confirm(?:ation)?|new|old|again))?"
_VALUE = r"""(?:b?"(?:[^"\\]|\\.)*"?|b?'(?:[^'\\]|\\.)*'?|\\"(?:[^"\\]|\\[^"])*\\"|[^\s,;&)}\]<>"']+)"""
_PLAIN = (
    r"(?!(?:none|null|true|false|missing|invalid|required|expired|set|unset|empty)\b|\[redacted\]|\d{1,6}\b(?![.\w]))"
)
_ASSIGNED = re.compile(
    rf"""({_NAME}{_TAIL}(?:\]|%5D)?\\?["']?\s{{0,3}}(?:[:=]|=>|%3D)\s{{0,3}})"""
    rf"{_PLAIN}({_VALUE})",
    re.IGNORECASE,
)
_NUMERIC_PASSWORD = re.compile(
    r"""((?:passw(?:or)?d|passcode|pwd|secret)\\?["']?\s{0,3}[:=]\s{0,3})\d+\b""", re.IGNORECASE
)
_HEADER = re.compile(
    r"""((?:(?:proxy-)?authorization|(?:set-)?cookie|x-api-key|x-auth-token|x-csrf-?token)\\?["']?\s{0,3}[:=]\s{0,3})"""
    r"""(?:((?:bearer|basic|digest|token|negotiate)\s+))?"""
    r"""(b?"(?:[^"\\]|\\.)*"?|b?'(?:[^'\\]|\\.)*'?|[^\r\n"']+(?:(?<=username=)[^\r\n]+)?)""",
    re.IGNORECASE,
)
_AUTHORIZATION = re.compile(
    r"\b(bearer|basic)(\s+|%20|\+)(?-i:(?=[A-Za-z0-9+/._~-]*[0-9A-Z=_]))[A-Za-z0-9+/._~-]{8,}={0,2}", re.IGNORECASE
)
# A mapping as Python or JSON show it: the key tells, as it does in a mapping itself.
_QUOTED = re.compile(
    r"""((?P<mark>\\?["'])(?P<key>[\w.\- \[\]]{2,60})(?P=mark)\s{0,3}:\s{0,3})"""
    r"""(b?(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\\"(?:[^"\\]|\\[^"])*\\"))"""
)
_PAIR = re.compile(rf"""(["'][\w.-]{{0,40}}{_NAME}["']\s*,\s*)b?(?:"[^"]*"|'[^']*')""", re.IGNORECASE)
_OPTION = re.compile(rf"(--?[\w-]{{0,40}}{_NAME}\s+)(?![-\s])\S+", re.IGNORECASE)
_SQL = re.compile(r"\b(password|identified\s+by)(\s+)(?:'(?:[^']|'')*'|\"[^\"]*\")", re.IGNORECASE)
_XML = re.compile(rf"(<[\w:.-]{{0,40}}{_NAME}\b[^<>]{{0,100}}>)[^<]+(</)", re.IGNORECASE)
_FORM_PART = re.compile(
    rf'(name="[\w.\[\]-]{{0,40}}{_NAME}[\w.\[\]-]{{0,20}}"[^\n]*\r?\n(?:[^\n]+\n)*\r?\n)[^\r\n]+', re.IGNORECASE
)
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)*")
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL)
_URL_LOGIN = re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://)[^\s/'\"<>]{1,300}@", re.IGNORECASE)
_HOOK = re.compile(
    r"(hooks\.slack\.com/(?:services|workflows)/|hooks\.zapier\.com/hooks/catch/|discord(?:app)?\.com/api/webhooks/)[\w/-]+"
)
# Tokens that show what they are: a known beginning, then enough signs with a digit or a capital among them.
_PREFIXED = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"sk-(?:proj-|ant-|svcacct-|or-|live-)?(?=[A-Za-z0-9_*-]*[0-9A-Z])[A-Za-z0-9_*-]{8,}"
    r"|[srp]k_(?:live|test)_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9+/=]{8,}"
    r"|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{8,}|xapp-[A-Za-z0-9-]{8,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{20,}|ya29\.[A-Za-z0-9_-]{10,}"
    r"|SG\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}|key-[0-9a-f]{32}|(?:SK|AC)[0-9a-f]{32}"
    r"|npm_[A-Za-z0-9]{20,}|hf_[A-Za-z0-9]{20,}|pypi-[A-Za-z0-9_-]{20,}|dop_v1_[0-9a-f]{20,}|shp(?:at|ss|ca)_[0-9a-fA-F]{20,}"
    r"|lux_(?=[A-Za-z0-9_-]*\d)(?=[A-Za-z0-9_-]*[A-Z])[A-Za-z0-9_-]{20,}"
    r"|\d{8,10}:[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"
    r")"
)
_BOT_TOKEN = re.compile(r"\d:[\w-]{35}")
_ADDRESS = re.compile(r"([A-Za-z0-9._%+'-])[A-Za-z0-9._%+'-]{0,63}(?:@|%40)((?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24})")
# +49 30 1234567, and the ten digits of North America in groups. Dates, sizes and dotted addresses are none of them.
_PHONE = re.compile(r"(?<![\w.:/-])\+[1-9][\d\s().-]{6,18}\d(?![\w:-])")
_PHONE_GROUPED = re.compile(r"(?<![\w.:/(-])(?:1[ .-])?(?:\(\d{3}\)[ .-]?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w:-]|\.\d)")
_GROUPED_DIGITS = re.compile(r"\d{3}[ .-]\d{4}")


@dataclass(frozen=True)
class Redactor:
    """Redacts text and values. `own_secrets` are this process's own: they go by exact value, wherever they stand."""

    own_secrets: tuple[str, ...] = field(default=())

    @classmethod
    def knowing(cls, secrets: Iterable[str | None]) -> Redactor:
        """A redactor that knows the process's secrets, in the spellings that they take in addresses and JSON.

        Of an address with a login it knows the password too. What has under six characters is too short to look for.
        """
        known = {spelling for secret in secrets if secret for spelling in _spellings(secret)}
        return cls(tuple(sorted(known, key=len, reverse=True)))

    def text(self, text: str) -> str:
        """The text without secrets, with addresses and phone numbers masked; at most LONGEST_TEXT long."""
        if len(text) > LONGEST_TEXT:
            text = text[: LONGEST_TEXT + MARGIN]
        for secret in self.own_secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        lower = text.lower()
        if _names_secret(lower):
            for pattern, replacement in _NAMED_RULES:
                text = pattern.sub(replacement, text)
        for is_worth_it, pattern, replacement in _RULES:
            if is_worth_it(text, lower):
                text = pattern.sub(replacement, text)
        return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT]

    def value(self, value: Any, key: str = "", depth: int = 0) -> Any:
        """A JSON-ready copy of any value, redacted; whatever stands under a secret's key is masked whole."""
        if key and is_secret_key(key) and value is not None and not isinstance(value, bool) and value != "":
            is_count = isinstance(value, int | float) and _COUNT_KEY.search(key) is not None
            return value if is_count else MASK
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return _json_number(value)
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes | bytearray):
            return self.text(bytes(value[: LONGEST_TEXT + MARGIN]).decode("utf-8", "replace"))
        if depth >= DEEPEST:
            return "…"
        try:
            return self._collection(value, key, depth)
        except Exception as error:  # whatever a stranger's object does, the logger goes on
            return f"<{type(value).__name__}, which raised {type(error).__name__}>"

    def _collection(self, value: Any, key: str, depth: int) -> Any:
        if isinstance(value, Mapping):
            items = list(_first(value.items()))
            return {self.text(str(k)): self.value(v, str(k), depth + 1) for k, v in items}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item, key, depth + 1) for item in _first(value)]
        return self.text(_safe_repr(value))


def is_secret_key(key: str) -> bool:
    """Whether a field of this name holds a secret."""
    return _SECRET_KEY.search(key) is not None


def mask_address(address: str) -> str:
    """An e-mail address as logs may show it: a***@example.com."""
    return _ADDRESS.sub(r"\1***@\2", address)


def _spellings(secret: str) -> Iterator[str]:
    whole = [secret]
    if "://" in secret and "@" in secret:
        with contextlib.suppress(ValueError):
            password = urlsplit(secret).password
            whole += [password, unquote(password)] if password else []
    for one in whole:
        if len(one) >= SHORTEST_OWN_SECRET:
            yield from {one, quote(one, safe=""), quote(one), quote_plus(one), json.dumps(one)[1:-1]}


def _first(items: Iterable[Any]) -> Iterator[Any]:
    for number, item in enumerate(items):
        if number >= MOST_ITEMS:
            return
        yield item


def _json_number(value: float) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return (
        value
        if -(2**63) <= value < 2**63 or isinstance(value, float)
        else f"a whole number of {value.bit_length()} bits"
    )


def _safe_repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # a broken __repr__ must not break the logger
        return f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"


def _mask_header(match: re.Match[str]) -> str:
    name, scheme, value = match.group(1), match.group(2) or "", match.group(3)
    opened = re.match(r"b?[\"']", value)
    if opened is None:
        return f"{name}{scheme}{MASK}"
    inside = re.match(r"(?:bearer|basic|digest|token|negotiate)\s+", value[opened.end() :], re.IGNORECASE)
    closing = value[-1] if len(value) > opened.end() and value[-1] == opened.group()[-1] else ""
    return f"{name}{opened.group()}{inside.group() if inside else ''}{MASK}{closing}"


def _mask_assigned(match: re.Match[str]) -> str:
    name, value = match.groups()
    for mark in ('\\"', '"', "'"):
        if value.endswith(mark) and len(value) > len(mark):
            return f"{name}{mark}{MASK}{mark}"
    return f"{name}{MASK}"


def _mask_quoted(match: re.Match[str]) -> str:
    if not is_secret_key(match["key"]) or _COUNT_KEY.search(match["key"]) or MASK in match.group(4):
        return match.group()
    return (
        f"{match.group(1)}'{MASK}'" if match["mark"] == "'" else f"{match.group(1)}{match['mark']}{MASK}{match['mark']}"
    )


def _names_secret(lower: str) -> bool:
    return (
        "pass" in lower or "token" in lower or "key" in lower or "secret" in lower or "pwd" in lower
        or "auth" in lower or "cookie" in lower or "session" in lower or "credential" in lower
        or "csrf" in lower or "identified" in lower
    )  # fmt: skip


def _begins_token(text: str, _lower: str) -> bool:
    return (
        "sk-" in text or "k_" in text or "gh" in text or "glpat-" in text or "whsec_" in text or "xox" in text
        or "xapp-" in text or "AKIA" in text or "ASIA" in text or "AIza" in text or "ya29." in text or "SG." in text
        or "key-" in text or "SK" in text or "AC" in text or "npm_" in text or "hf_" in text or "pypi-" in text
        or "dop_v1_" in text or "shp" in text or "lux_" in text
    )  # fmt: skip


def _begins_bot_token(text: str, _lower: str) -> bool:
    return ":A" in text and _BOT_TOKEN.search(text) is not None


Replacement = str | Callable[[re.Match[str]], str]
# For a text that names a secret, in this order: a header goes whole before its parts are looked at.
_NAMED_RULES: tuple[tuple[re.Pattern[str], Replacement], ...] = (
    (_PEM, MASK),
    (_HEADER, _mask_header),
    (_FORM_PART, rf"\1{MASK}"),
    (_JWT, MASK),
    (_ASSIGNED, _mask_assigned),
    (_NUMERIC_PASSWORD, rf"\1{MASK}"),
    (_PAIR, rf"\1'{MASK}'"),
    (_OPTION, rf"\1{MASK}"),
    (_SQL, rf"\1\2'{MASK}'"),
    (_XML, rf"\1{MASK}\2"),
)
_RULES: tuple[tuple[Callable[[str, str], bool], re.Pattern[str], Replacement], ...] = (
    (lambda t, _: "PRIVATE KEY" in t, _PEM, MASK),
    (lambda t, _: "': " in t or '":' in t or '": ' in t, _QUOTED, _mask_quoted),
    (lambda t, _: "@" in t and "://" in t, _URL_LOGIN, rf"\1{MASK}@"),
    (lambda _, low: "hooks" in low, _HOOK, rf"\1{MASK}"),
    (lambda t, _: "eyJ" in t, _JWT, MASK),
    (lambda _, low: "bearer" in low or "basic" in low, _AUTHORIZATION, rf"\1\2{MASK}"),
    (_begins_token, _PREFIXED, MASK),
    (_begins_bot_token, _PREFIXED, MASK),
    (lambda t, _: "@" in t or "%40" in t, _ADDRESS, r"\1***@\2"),
    (lambda t, _: "+" in t, _PHONE, "[phone]"),
    (lambda t, _: _GROUPED_DIGITS.search(t) is not None, _PHONE_GROUPED, "[phone]"),
)
