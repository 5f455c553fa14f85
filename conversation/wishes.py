"""What a message asks for, read from the person's own words alone: topic, and whether a repair is asked for.

To add a topic, add its row to TOPICS here and what answers it to topics.py. The first row that fits wins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from lib.planted_orders import has_order, without_orders

Topic = Literal[
    "greeting", "thanks", "abilities", "repair", "repair_preview", "pasted", "diagnosis", "errors", "logs", "health",
    "reach", "best_campaign", "campaigns", "contacts", "segments", "explanation", "approvals", "agents", "spend",
    "copy", "strategy", "guidance", "unknown",
]  # fmt: skip
LONGEST_PLAIN = 300

_REPAIR = r"(?:fix|repair|heal|mend|resolve|solve|auto[- ]?repair|auto[- ]?fix|self[- ]?heal|patch up|clean up)"
_OBJECT = (
    r"(?:(?:(?:all|any|the|my|our|your|its|these|those|this|that|every|each|open|unresolved|current|latest|last|new|known|"
    r"lux'?s?|system|server|app|application|database|db|mail|queue|of|error|safe|possible|remaining|\d+) ){0,5}"
    r"(?:errors?|problems?|issues?|faults?|bugs?|failures?|incidents?|groups?|system|systems|lux|app|application|server|"
    r"database|db|queue|worker|site|website|platform|everything|installation|setup|what you (?:can|may)|yourself)\b|"
    r"(?:it|this|that|these|those|them|all|everything|both|what(?:ever)?(?: is|'s)? (?:wrong|broken))\b)"
)
_ASKED_REPAIR = re.compile(
    r"^(?:(?:please|pls|ok(?:ay)?|yes|yeah|now|then|so|and|just|go ahead(?: and)?|great|right|well|hi|hello|hey)"
    r"[,.!: ]+)*(?:lux[,: ]+)?"
    r"(?:can you |could you |would you |will you |you (?:can|may|should|must) |try to |i want you to |i'?d like you to "
    r"|i need you to |let'?s |go |go and |run (?:a |the )?|start (?:a |the )?|do (?:a |the )?|please |now |just )*"
    rf"(?:{_REPAIR}|run auto[- ]?repair)(?: (?:now|please|run|please now))?(?: (?:up )?{_OBJECT})?\b"
    r"(?P<rest>.*)$",
    re.IGNORECASE | re.DOTALL,
)
# After the thing to repair may only come words that ask for nothing else.
_HARMLESS_REST = re.compile(
    r"(?:[\s,.!?;:)]|please|now|for me|for us|if you can|where you can|as far as you can|automatically|by yourself"
    r"|yourself|you (?:can|may)|right away|at once|immediately|today|thanks|thank you|too|again|then|safely|everywhere"
    r"|there|here|in (?:lux|the system|the database|production)|that you (?:found|saw|listed|named)"
    r"|you (?:found|saw|listed|named)|and (?:tell|show) me (?:what happened|the result|the report|how it went)"
    r"|and report|with receipts?|#?\d+|first|all|of them|lux)*",
    re.IGNORECASE,
)
_CLAUSE_REPAIR = re.compile(
    rf"(?:[.!?;]|\band(?: then| please)?)\s+(?:please |then |now |so )?(?:{_REPAIR} {_OBJECT})"
    r"(?:[\s,.!]|please|now|for me|automatically|if you can|thanks|all)*$",
    re.IGNORECASE,
)
# What stands behind a colon or between quotes may be somebody else's words.
_QUOTING = re.compile(
    r"[:\"“”„«»]|\B'\w|\b(?:says?|said|reads?|wrote|written|tells?|message|summari[sz]e)\b", re.IGNORECASE
)
_REFUSED = re.compile(
    r"\b(?:do not|don'?t|dont|never|without|no|not|stop|instead of|rather than|avoid|cancel)\b"
    rf"[^.!?;]{{0,40}}{_REPAIR}",
    re.IGNORECASE,
)
_PREVIEW = re.compile(
    rf"\b(?:dry[- ]?run|preview|what (?:would|could|can|will) (?:you |a |the |lux |be )*{_REPAIR}"
    rf"|(?:a |the ){_REPAIR} (?:would|could) (?:do|change)|(?:would|could) (?:a |the )?{_REPAIR} (?:do|change)"
    rf"|plan (?:a |the )?{_REPAIR}|show me (?:a |the )?{_REPAIR} plan)",
    re.IGNORECASE,
)
_HOW = re.compile(
    r"^(?:\W*(?:please|lux|hi|hello|hey|tell me|show me|explain|can you (?:tell|show|explain)(?: me)?)\W+)*"
    r"(?:how (?:do|can|should|would|could|to|does|is|are)\b"
    r"(?! (?:my|our|the|your)? ?(?:last |latest |recent )?campaigns? (?:do|perform|go))"
    r"|where (?:do|can|is|are|should)"
    r"|what (?:is|are|does) (?:a|an|the) (?!best|worst|error|health|state|status|log|logs)\w+"
    r"|is it possible|can i|can we|may i)",
    re.IGNORECASE,
)
_LOG_LINE = re.compile(
    r"^\d{4}[/-]\d\d[/-]\d\d[ T]\d\d:\d\d|^\[\d{4}-\d\d-\d\d \d\d:\d\d|^\[?\d\d/\w{3}/\d{4}:"
    r"|Traceback \(most recent call last\)|^\w{3} +\d{1,2} \d\d:\d\d:\d\d \S+ \S+\[\d+\]:"
    r"|^\s+File \"[^\"]+\", line \d+|^(?:[\w.]+\.)?\w*(?:Error|Exception|Interrupt): "
    r"|\*\d+ (?:connect|upstream|open|client)|WORKER TIMEOUT|\bHTTP/1\.[01]\"|^(?:GET|POST|PUT|HEAD) /\S*",
    re.MULTILINE,
)

_ENCODED = re.compile(
    r"%[0-9a-fA-F]{2}|&#|\\[xu][0-9a-fA-F]|[A-Za-z0-9+/=_-]{40,}|https?:|[<>{}`\[\]]|\b[0-9a-fA-F]{24,}\b"
)
_MAILS = r"(?:campaigns?|mails?|e-?mails?|newsletters?)"
_PATTERNS: tuple[tuple[Topic, str], ...] = (
    (
        "greeting",
        r"^\W*(?:hi|hello|hey|good (?:morning|afternoon|evening|day)|moin|hallo|howdy|yo)(?: lux| there)?\W*$",
    ),
    (
        "thanks",
        r"^\W*(?:thanks?(?: you)?|thank you(?: very much)?|thx|great|perfect|cool|nice|ok(?:ay)?)(?: lux)?\W*$",
    ),
    (
        "abilities",
        r"\b(?:what can you do|who are you|what are you|what do you know|how can you help)|^\W*help(?: me)?\W*$",
    ),
    (
        "explanation",
        r"\bwhy (?:did|didn'?t|did not|has|hasn'?t|does|doesn'?t|is|isn'?t)\b"
        r".*(?:\bget\b|\bgot\b|\breceived?\b|\bsent\b|@)",
    ),
    (
        "spend",
        r"\b(?:ai|model|openai|chat)\b.{0,30}\b(?:cost|spend|spent|budget|bill|price)"
        r"|\b(?:cost|spend|spent|budget)\b.{0,30}\b(?:ai|model|openai|tokens?)\b",
    ),
    (
        "copy",
        r"\b(?:write|draft|suggest|improve|rewrite|ideas? for|give me|need|propose)\b.{0,60}"
        rf"\b(?:subject|copy|headline|preheader|text|words|{_MAILS}|cta|call to action|offer)\b",
    ),
    ("logs", r"\b(?:logs?|nginx|gunicorn|systemd|journal|traceback)\b"),
    ("errors", r"\b(?:errors?|exceptions?|crash(?:es|ed)?|error groups?|bugs?|stack ?traces?)\b"),
    (
        "health",
        r"\b(?:health|healthy|uptime|disk|memory|cpu|queue|worker|database|postgres(?:ql)?|certificate|clock)\b",
    ),
    (
        "diagnosis",
        r"\bwhat(?:'?s| is| has)? (?:wrong|broken|the (?:matter|problem|issue)|going on|gone wrong|happening)"
        r"|\bwrong with\b|\bdiagnos|\b(?:not|isn'?t|doesn'?t|don'?t) work"
        r"|\b(?:is|are|does) (?:everything|all|my system|the system|it|lux|we)\b"
        r".{0,30}\b(?:ok(?:ay)?|fine|well|work|up|running|broken|down)"
        r"|\b(?:slow|down|broken|fail(?:s|ed|ing|ures?)?|problems?|issues?|trouble|outage|50[0-4])\b"
        r"|\bsystem (?:status|state|check)|\bstatus of (?:my |the )?(?:system|server|lux)",
    ),
    (
        "reach",
        r"\bhow many\b.{0,40}\b(?:can|could|may|will)\b.{0,20}\b(?:write|send|mail|reach|contact)"
        r"|\b(?:reach|reachable|mailable|deliverable)\b",
    ),
    (
        "best_campaign",
        r"\b(?:best|top|worst|most successful|highest|lowest|strongest|weakest)\b"
        rf".{{0,40}}\b(?:{_MAILS}|open|click)|\bwhich {_MAILS}\b",
    ),
    (
        "strategy",
        r"\b(?:strateg|what should (?:i|we) (?:do|send|write|try)|ideas?\b|advice|recommend|grow|win[- ]?back"
        r"|re-?engage|improve (?:my|our|the))",
    ),
    ("approvals", r"\b(?:approvals?|approve|proposals?|waiting for me|waits for me|to do|what'?s next|what waits)\b"),
    ("agents", r"\bagents?\b"),
    (
        "campaigns",
        r"\b(?:campaigns?|newsletters?|mailings?|open rates?|click rates?|opens?|clicks?|deliver(?:ed|y|ability)"
        r"|bounces?|unsubscribe[sd]?|sends?|sent|results?|performance|performing)\b",
    ),
    ("segments", r"\bsegments?\b|\baudiences?\b"),
    ("contacts", r"\b(?:contacts?|subscribers?|people|leads?|customers?|audience|sign-?ups?)\b"),
)
TOPICS = tuple((topic, re.compile(pattern, re.IGNORECASE)) for topic, pattern in _PATTERNS)


@dataclass(frozen=True)
class Wish:
    """What is asked for. `words` is the message without anything that a model could take for an order of LUX's own.

    `is_plain` says that the message is nothing but a person's sentence: no log, no code, nothing encoded in it.
    `wants_repair`: it tells LUX to repair; `may_mean_repair`: it speaks of one, so that a model may take it so.
    """

    topic: Topic
    words: str
    is_plain: bool
    wants_repair: bool = False
    may_mean_repair: bool = False


def read_wish(message: str, action: str = "message") -> Wish:
    """Reads a message. `action` "diagnose" asks for a diagnosis whatever the words are."""
    words = without_orders(message).strip()
    plain = is_plain(message)
    topic = _topic_of(words, action)
    speaks = plain and re.search(rf"\b{_REPAIR}", words, re.IGNORECASE) is not None
    may_mean = speaks and not _REFUSED.search(words) and not _HOW.search(words) and not _QUOTING.search(words)
    return Wish(topic, words, plain, wants_repair=topic == "repair", may_mean_repair=may_mean)


def is_plain(message: str) -> bool:
    """Whether a message is a sentence of its writer's own: short, on one line, with nothing pasted or encoded in it."""
    return (
        len(message) <= LONGEST_PLAIN
        and "\n" not in message.strip()
        and not has_order(message)
        and not _LOG_LINE.search(message)
        and not _ENCODED.search(message)
    )


def asks_for_repair(words: str) -> bool:
    """Whether these words tell LUX to repair: an order, not a question about repairs and not a refusal."""
    line = " ".join(words.split())
    if _REFUSED.search(line) or _LOG_LINE.search(words):
        return False
    found = _ASKED_REPAIR.match(line)
    if found is not None and _HARMLESS_REST.fullmatch(found["rest"]):
        return True
    return is_plain(words) and not _QUOTING.search(line) and _CLAUSE_REPAIR.search(line) is not None


def _topic_of(words: str, action: str) -> Topic:
    if _LOG_LINE.search(words):
        return "pasted"
    if _PREVIEW.search(words) and not _HOW.search(words):
        return "repair_preview"
    if asks_for_repair(words):
        return "repair"
    if action == "diagnose":
        return "diagnosis"
    if _HOW.search(words):
        return "guidance"
    for topic, pattern in TOPICS:
        if pattern.search(words):
            return topic
    return "unknown"
