"""The context at the end of nginx's error lines: client, server, request, upstream, host, referrer.

nginx writes what strangers send as it came, so the first `, client:` may be theirs, and so may a line break. What
cannot be told from a forgery is not told at all: `is_ambiguous`, and no client.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

# nginx cuts each record at this length, its line end included.
LONGEST_RECORD_BYTES = 2_048
# A text of this length, without the record's beginning, may have lost its own context by the cut.
PERHAPS_CUT = 1_900
_CLIENT = re.compile(
    r', client: ([0-9A-Fa-f.:]{2,45}|unix:), server: ([^,"\n]*)(?=$|, (?:request|subrequest|upstream|host|referrer): ")'
)
_REST = re.compile(
    r'(?:, request: "(?P<request>.*?)"(?=$|, (?:subrequest|upstream|host|referrer): "))?'
    r'(?:, subrequest: "(?P<subrequest>.*?)"(?=$|, (?:upstream|host|referrer): "))?'
    r'(?:, upstream: "(?P<upstream>.*?)"(?=$|, (?:host|referrer): "))?'
    r'(?:, host: "(?P<host>.*?)"(?=$|, referrer: "))?'
    r'(?:, referrer: "(?P<referrer>.*?)"?$)?',
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Context:
    """A record of nginx taken apart: the part that says what happened, and the context's fields."""

    message: str
    fields: dict[str, str] = field(default_factory=dict)
    has_client: bool = False
    is_ambiguous: bool = False


def read_context(text: str) -> Context:
    """Takes a record's text apart, as far as it can be trusted."""
    candidates = list(_CLIENT.finditer(text))
    if not candidates:
        return Context(text)
    chosen = _true_one(text, candidates)
    if chosen is None:
        return Context(text[: candidates[0].start()], {"is_ambiguous": "yes"}, has_client=True, is_ambiguous=True)
    fields = {"client": chosen.group(1), "server": chosen.group(2)}
    rest = _REST.match(text, chosen.end())
    if rest is not None:
        fields |= {name: value for name, value in rest.groupdict().items() if value is not None}
    return Context(text[: chosen.start()], fields, has_client=True)


def has_client(text: str) -> bool:
    """Whether a text holds what looks like nginx's context."""
    return _CLIENT.search(text) is not None


def _true_one(text: str, candidates: list[re.Match[str]]) -> re.Match[str] | None:
    """The context that nginx itself wrote. Before it strangers' text stands only in quotation marks."""
    first = candidates[0]
    if '"' not in text[: first.start()]:
        return first
    if len(text) >= PERHAPS_CUT:
        return None
    if len(candidates) == 1 and "\n" not in text:
        return first
    fitting = [candidate for candidate in candidates if _fits(text, candidate)]
    return fitting[0] if len(fitting) == 1 else None


def _fits(text: str, candidate: re.Match[str]) -> bool:
    """Whether the request that follows is the one whose path the message quotes, and the message ends as nginx's do."""
    rest = _REST.match(text, candidate.end())
    if rest is None or rest.end() != len(text) or not rest["request"]:
        return False
    path = rest["request"].split(" ")[1] if rest["request"].count(" ") >= 1 else ""
    message = text[: candidate.start()]
    quoted = message[message.index('"') + 1 : message.rindex('"')]
    return bool(path) and quoted.endswith(unquote(path.partition("?")[0]))
