"""What a diagnosis is made of: signals in, rules between, diagnoses out; nothing here reads, writes or acts.

To add a rule, write it in the file of its family and list it in RULES of diagnosis/__init__.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from config import Settings
from embedded_postgres import is_its_address

UNKNOWN, NOTHING_WRONG = "unknown", "nothing-wrong"
CONNECTION, AUTHENTICATION, TIMEOUT, RESOURCE = "connection", "authentication", "timeout", "resource"
CONFIGURATION, CODE, NOISE = "configuration", "code", "traffic noise"
TIERS = ("A", "P", "H")
_TROUBLE = ("warning", "error", "critical")


@dataclass(frozen=True)
class Signal:
    """One thing that was seen. `text` may hold what strangers wrote; `said` is what the program itself said.

    Rules look at `error_type`, `code` and `said`, never at `text`.
    """

    source: str  # error, nginx, gunicorn, systemd, app, postgresql, health, text
    text: str
    evidence_id: str
    at: datetime | None = None
    error_type: str = ""
    code: str = ""
    place: str = ""
    pid: int | None = None
    fields: Mapping[str, str] = field(default_factory=dict, hash=False)
    said: str = ""
    level: str = "error"
    # 0 for what ended a traceback, 1 for what it was raised from, and so on.
    depth: int = 0
    # The stack, outermost first: "path/of/file.py:function", a tab and the line of source where it is known.
    frames: tuple[str, ...] = ()
    # Codes beside `code`: "http 429" with "insufficient_quota", "smtp 535" with "5.7.8".
    further_codes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The class of the exception without its module."""
        return self.error_type.rpartition(".")[2]

    @property
    def codes(self) -> tuple[str, ...]:
        """SQLSTATE, OpenAI's code, "http 502", "smtp 535", "errno 28", enhanced mail status: the most telling first."""
        return (self.code, *self.further_codes) if self.code else self.further_codes

    @property
    def is_trouble(self) -> bool:
        return self.level in _TROUBLE


@dataclass(frozen=True)
class RepairOption:
    """A repair that fits: its id in repairs/, and its tier here: A by itself, P on a person's click, H advice alone."""

    id: str
    tier: str


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong, how sure that is, why, and what to do. `by` is "rules" or "model"."""

    rule: str
    cause: str
    class_: str
    confidence: float
    evidence: tuple[str, ...] = ()
    repairs: tuple[RepairOption, ...] = ()
    advice: tuple[str, ...] = ()
    trap: str = ""
    looked_at: tuple[str, ...] = ()
    # Keys of rules that matched too and follow from this one.
    consequences: tuple[str, ...] = ()
    by: str = "rules"

    @property
    def is_fault(self) -> bool:
        return self.rule != NOTHING_WRONG

    @property
    def is_known(self) -> bool:
        return self.rule not in (UNKNOWN, NOTHING_WRONG)

    def as_row(self) -> dict[str, Any]:
        """The shape that the command and the API answer with."""
        return {
            "rule": self.rule,
            "cause": self.cause,
            "class": self.class_,
            "confidence": round(self.confidence, 2),
            "evidence": list(self.evidence),
            "repairs": [{"id": option.id, "tier": option.tier} for option in self.repairs],
            "advice": list(self.advice),
        }


@dataclass(frozen=True)
class Settled:
    """A fault that was resolved: what says the same and is no later than `at` is history."""

    error_type: str
    template: str
    at: datetime


@dataclass(frozen=True)
class Surroundings:
    """What a diagnosis must know of this LUX; plain values, so that a text is diagnosed without a database."""

    is_production: bool = False
    is_database_embedded: bool = True
    has_fallback_model: bool = False
    has_key: bool = False
    unit: str = "lux.service"
    settled: tuple[Settled, ...] = ()

    @classmethod
    def of(cls, settings: Settings, settled: Iterable[Settled] = ()) -> Surroundings:
        """What the settings say."""
        return cls(
            is_production=settings.is_production,
            is_database_embedded=is_its_address(settings.lux_data_dir, settings.database_url),
            has_fallback_model=settings.openai_fallback_model is not None,
            has_key=settings.openai_api_key is not None,
            unit=settings.systemd_unit,
            settled=tuple(settled),
        )


@dataclass(frozen=True)
class Offer:
    """A repair that a rule names. `tier_at_home` is its tier where LUX owns the thing: embedded, or in development."""

    id: str
    tier: str
    at_home: str = ""
    home: str = ""

    def option(self, surroundings: Surroundings) -> RepairOption:
        is_home = (self.home == "embedded" and surroundings.is_database_embedded) or (
            self.home == "development" and not surroundings.is_production
        )
        return RepairOption(self.id, self.at_home if is_home and self.at_home else self.tier)


@dataclass(frozen=True)
class Match:
    """What a rule found: the signals that show it and how sure that is; the rest replaces what the rule says."""

    signals: tuple[Signal, ...]
    confidence: float
    cause: str = ""
    advice: tuple[str, ...] = ()
    repairs: tuple[Offer, ...] | None = None


@dataclass(frozen=True)
class Scene:
    """All signals of one diagnosis, oldest first, and where it is made."""

    signals: tuple[Signal, ...]
    surroundings: Surroundings

    def of(self, *sources: str) -> list[Signal]:
        return [signal for signal in self.signals if signal.source in sources]


Find = Callable[[Scene], Match | None]


@dataclass(frozen=True)
class Rule:
    """One kind of fault. `row` is its row in the table of operations; neighbours carry the row beside which they stand.

    `explains` names the rules whose signs follow from this one: disk full explains a database that panics.
    """

    key: str
    row: str
    class_: str
    cause: str
    find: Find
    trap: str = ""
    repairs: tuple[Offer, ...] = ()
    advice: tuple[str, ...] = ()
    explains: tuple[str, ...] = ()
    # How much stands still: 2 all of LUX, 1 a part of it, 0 one request or message.
    gravity: int = 1

    def diagnosis(self, match: Match, surroundings: Surroundings) -> Diagnosis:
        """The diagnosis for what the rule found."""
        offers = self.repairs if match.repairs is None else match.repairs
        return Diagnosis(
            rule=self.key,
            cause=match.cause or self.cause,
            class_=self.class_,
            confidence=match.confidence,
            evidence=tuple(dict.fromkeys(signal.evidence_id for signal in match.signals)),
            repairs=tuple(offer.option(surroundings) for offer in offers),
            advice=match.advice or self.advice,
            trap=self.trap,
        )


@dataclass(frozen=True)
class Sign:
    """What one signal must show: a code or a class is enough; words count only where no class says otherwise."""

    codes: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    words: re.Pattern[str] | None = None
    sources: tuple[str, ...] = ()
    # Classes that stand for many faults; with one of these the words decide.
    broad: tuple[str, ...] = ()
    # Calm records (info and below) of these sources count too: a mail server tells of refusals calmly.
    calm: tuple[str, ...] = ()

    def weigh(self, signal: Signal) -> float:
        """How sure the signal makes it: 0 for not at all. nginx's and health's words count where they are asked for."""
        if self.sources and signal.source not in self.sources:
            return 0.0
        if not self.sources and signal.source == "health":
            return 0.0
        # A line that somebody copied alone has no level; it was copied for what it says.
        if not signal.is_trouble and signal.source not in (*self.calm, "text"):
            return 0.0
        if any(code in self.codes for code in signal.codes):
            return 0.97
        if signal.name and signal.name in self.types:
            return 0.95
        if self.words is None or (signal.error_type and signal.name not in self.broad):
            return 0.0
        if signal.source == "nginx" and "nginx" not in self.sources:
            return 0.0
        return 0.9 if self.words.search(signal.said) else 0.0


def words(*alternatives: str) -> re.Pattern[str]:
    """One pattern for several wordings; capitals do not matter. Bounded parts alone, so that no text can stall it."""
    return re.compile("|".join(f"(?:{one})" for one in alternatives), re.IGNORECASE)


def finds(*signs: Sign, confidence: float | None = None) -> Find:
    """A rule's look at every signal: the surest sign counts; a cause inside of a traceback a little less."""

    def find(scene: Scene) -> Match | None:
        weighed = [(max(sign.weigh(signal) for sign in signs), signal) for signal in scene.signals]
        hits = [(weight - 0.02 * signal.depth, signal) for weight, signal in weighed if weight > 0]
        if not hits:
            return None
        surest = max(weight for weight, _ in hits)
        return Match(tuple(signal for _, signal in hits), confidence if confidence is not None else surest)

    return find


def best(diagnoses: Sequence[Diagnosis]) -> Diagnosis:
    """The first of what diagnose() gave; it is never empty."""
    return diagnoses[0]
