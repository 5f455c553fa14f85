"""Decides between the rules: who matched, what follows from what, and when nothing is wrong or nobody knows.

diagnose() is the one way in; it never raises for what the signals say and always answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from diagnosis import RULES
from diagnosis.base import CODE, NOISE, NOTHING_WRONG, UNKNOWN, Diagnosis, Match, Rule, Scene, Signal, Surroundings
from diagnosis.calm import drop_calm
from diagnosis.thinning import thin_out
from lib.fingerprint import message_template

# A cause is seen before what follows from it, or nearly so: logs are written by several clocks and buffers.
CAUSE_MAY_LAG = timedelta(minutes=2)
CAUSE_MAY_LEAD = timedelta(minutes=30)
MOST_EVIDENCE = 20
GRAVITY_WEIGHT = 0.1

Found = tuple[Rule, Match]


def diagnose(signals: Sequence[Signal], surroundings: Surroundings | None = None) -> list[Diagnosis]:
    """What is wrong, the best first: faults by rule, else one "unknown" or one "nothing-wrong"; never empty."""
    surroundings = surroundings or Surroundings()
    news = [signal for signal in signals if not is_settled(signal, surroundings)]
    calm = drop_calm(news)
    scene = Scene(tuple(thin_out(calm.signals)), surroundings)
    found = [(rule, match) for rule in RULES if (match := rule.find(scene)) is not None and match.signals]
    looked_at = describe_signals(signals)
    faults, noise = [pair for pair in found if not _is_noise(pair)], [pair for pair in found if _is_noise(pair)]
    roots, consequences = order_by_cause(faults)
    subject = [signal for signal in scene.signals if "is_subject" in signal.fields]
    if subject:
        roots = _about(subject, roots, faults, consequences)
    if not roots:
        old = len(signals) - len(news)
        return [_without_fault(subject or scene.signals, noise, calm.reasons, old, looked_at, surroundings)]
    diagnoses = []
    for rule, match in roots:
        diagnosis = rule.diagnosis(match, surroundings)
        follows = tuple(other for other, causes in consequences.items() if rule.key in causes)
        diagnoses.append(_finished(diagnosis, follows, looked_at))
    return diagnoses


def _is_noise(found: Found) -> bool:
    return found[0].class_ == NOISE


def _about(
    subject: Sequence[Signal], roots: Sequence[Found], faults: Sequence[Found], consequences: dict[str, set[str]]
) -> list[Found]:
    """The causes that concern the error which is asked about; what else happened in that minute is left out."""
    asked = {signal.evidence_id for signal in subject}
    own = {rule.key for rule, match in faults if any(signal.evidence_id in asked for signal in match.signals)}
    wanted = own | {cause for key in own for cause in consequences.get(key, set())}
    return [pair for pair in roots if pair[0].key in wanted]


def is_settled(signal: Signal, surroundings: Surroundings) -> bool:
    """Whether it is an old line of a fault that was resolved since."""
    return any(
        signal.at is not None
        and signal.at <= one.at
        and (signal.name == one.error_type.rpartition(".")[2] or not signal.name)
        and one.template
        and message_template(signal.said)[: len(one.template)] == one.template
        for one in surroundings.settled
    )


def order_by_cause(found: Sequence[Found]) -> tuple[list[Found], dict[str, set[str]]]:
    """The faults that follow from no other, the gravest and surest first; and from which the others follow."""
    causes: dict[str, set[str]] = {}
    for rule, match in found:
        for other, its in found:
            if other.key != rule.key and other.key in rule.explains and _may_cause(match, its):
                causes.setdefault(other.key, set()).add(rule.key)
    _spread(causes)
    roots = [pair for pair in found if pair[0].key not in causes]
    # Two that explain each other would both vanish: then both stand.
    roots = roots or list(found)
    roots.sort(key=lambda pair: -(pair[1].confidence + GRAVITY_WEIGHT * pair[0].gravity))
    return roots, causes


def describe_signals(signals: Iterable[Signal]) -> tuple[str, ...]:
    """What was looked at, in words: how many of which source."""
    counts: dict[str, int] = {}
    for signal in signals:
        counts[signal.source] = counts.get(signal.source, 0) + 1
    return tuple(f"{count} {'record' if count == 1 else 'records'} of {source}" for source, count in counts.items())


def _spread(causes: dict[str, set[str]]) -> None:
    """The cause of a cause is a cause."""
    for _ in range(len(causes)):
        for found in causes.values():
            for cause in list(found):
                found |= causes.get(cause, set())


def _may_cause(cause: Match, effect: Match) -> bool:
    """Whether the times allow it; a text without times does."""
    first = min((signal.at for signal in cause.signals if signal.at is not None), default=None)
    last = max((signal.at for signal in cause.signals if signal.at is not None), default=None)
    begun = min((signal.at for signal in effect.signals if signal.at is not None), default=None)
    ended = max((signal.at for signal in effect.signals if signal.at is not None), default=None)
    if first is None or last is None or begun is None or ended is None:
        return True
    return first - CAUSE_MAY_LAG <= ended and begun <= last + CAUSE_MAY_LEAD


def _finished(diagnosis: Diagnosis, follows: tuple[str, ...], looked_at: tuple[str, ...]) -> Diagnosis:
    return Diagnosis(
        rule=diagnosis.rule,
        cause=diagnosis.cause,
        class_=diagnosis.class_,
        confidence=diagnosis.confidence,
        evidence=diagnosis.evidence[:MOST_EVIDENCE],
        repairs=diagnosis.repairs,
        advice=diagnosis.advice,
        trap=diagnosis.trap,
        looked_at=looked_at,
        consequences=follows,
    )


def _without_fault(
    signals: Sequence[Signal],
    noise: Sequence[Found],
    reasons: Sequence[str],
    settled: int,
    looked_at: tuple[str, ...],
    surroundings: Surroundings,
) -> Diagnosis:
    known = {signal.evidence_id for _, match in noise for signal in match.signals}
    # An optional part that is missing warns and never fails: no fault.
    strange = [
        signal
        for signal in signals
        if signal.is_trouble
        and signal.evidence_id not in known
        and (signal.source != "health" or signal.level != "warning")
    ]
    graver = [signal for signal in strange if signal.level != "warning"] or strange
    if graver:
        return _unknown(graver, looked_at)
    if signals and all(signal.fields.get("is_unread") for signal in signals):
        return _unreadable(looked_at)
    words = list(dict.fromkeys(reasons))
    words += [match.cause or rule.cause for rule, match in noise]
    if settled:
        words.append(f"{settled} old lines belong to a fault that was resolved since.")
    repairs = tuple(
        offer.option(surroundings)
        for rule, match in noise
        if any(signal.source == "error" for signal in match.signals)
        for offer in rule.repairs
    )
    return Diagnosis(
        rule=NOTHING_WRONG,
        cause=" ".join(["Nothing is wrong.", *words]) if words else "Nothing in it tells of a fault.",
        class_=NOISE if noise else "none",
        confidence=0.9 if signals else 0.6,
        evidence=tuple(dict.fromkeys(signal.evidence_id for _, match in noise for signal in match.signals))[
            :MOST_EVIDENCE
        ],
        repairs=tuple(dict.fromkeys(repairs)),
        advice=("Nothing needs to be done.",),
        looked_at=looked_at or ("an empty text",),
    )


def _unknown(signals: Sequence[Signal], looked_at: tuple[str, ...]) -> Diagnosis:
    kinds = ", ".join(dict.fromkeys(signal.name or signal.source for signal in signals[-5:]))
    return Diagnosis(
        rule=UNKNOWN,
        cause=f"No rule of LUX knows this fault ({kinds}).",
        class_=CODE if any(signal.name for signal in signals) else "unknown",
        confidence=0.0,
        evidence=tuple(dict.fromkeys(signal.evidence_id for signal in signals))[-MOST_EVIDENCE:],
        advice=(
            "Read the newest of the records named as evidence, from its last line up.",
            "Look at what changed shortly before: a deploy, a setting, a certificate, the disk.",
        ),
        looked_at=looked_at,
    )


def _unreadable(looked_at: tuple[str, ...]) -> Diagnosis:
    return Diagnosis(
        rule=UNKNOWN,
        cause="Nothing in it reads like a log line, a traceback or an error message.",
        class_="unknown",
        confidence=0.0,
        advice=("Paste the lines of the log from a minute before the fault to a minute after it.",),
        looked_at=looked_at,
    )
