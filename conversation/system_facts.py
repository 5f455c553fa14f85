"""How LUX itself is, for operators: health, error groups, logs, and what the rules make of all of it.

What strangers can write stands in the words for people alone, quoted; the model gets rules, classes, counts and ids.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from config import current_settings
from conversation.facts import Card, Evidence, Fact, join_facts
from diagnosis import RULES
from diagnosis.base import NOTHING_WRONG, UNKNOWN, Diagnosis, Surroundings
from diagnosis.deciding import diagnose
from diagnosis.gathering import signals_of_group, signals_of_system
from diagnosis.reading import signals_of_text
from diagnostics.health import Health, check_health
from error_groups import GroupFilter, GroupRow, get_group, list_groups, list_samples
from lib.answer_markdown import find_others, quote_words
from lib.planted_orders import has_order
from lib.redaction import Redactor
from log_reader import SOURCES, Finding, SourceReading, State, analyse, read_all, read_source

MOST_GROUPS = 5
MOST_FINDINGS = 5
MOST_EVIDENCE = 6
LOG_HOURS = 24
FIX = Card(
    "Repair what LUX may repair",
    "Only reversible steps run by themselves; everything else waits for your approval.",
    confirm="Fix it",
    confirm_label="Fix it",
    preview="What would a repair do?",
)
_CALM = {"pass": "well", "warn": "needs a look", "fail": "is failing"}
_UNSURE = ("Nothing was found that tells of a fault.", "No rule of LUX knows this fault.")


def tell_system() -> Fact:
    """What is wrong with this LUX now: the diagnosis of health, unresolved errors and the last lines of the logs."""
    health = check_health()
    rows = [(check.key, finding.status, finding.text) for check, finding in health.findings]
    settings = current_settings()
    diagnoses = diagnose(signals_of_system(rows), Surroundings.of(settings))
    groups = list_groups(GroupFilter(limit=MOST_GROUPS))
    is_well = not diagnoses[0].is_fault and not groups and health.status == "pass"
    if is_well:
        text = "**Nothing is wrong.** Health is well, there is no unresolved error, and the logs tell of no fault."
        return Fact(text, "Nothing is wrong: health is well, no unresolved errors.", (_diagnostics(),))
    facts = [tell_diagnosis([one for one in diagnoses if one.is_fault][:3] or diagnoses[:1])]
    if groups:
        facts.append(_tell_groups(groups))
    facts.append(tell_health(health, is_short=True))
    if groups or any(one.repairs for one in diagnoses):
        facts.append(Fact("", "", cards=(FIX,)))
    return join_facts(facts)


def tell_sources(hours: float = 1) -> Fact:
    """What the four logs tell of, and how each of them was found."""
    since = datetime.now(UTC) - timedelta(hours=hours)
    readings = read_all(since=since)
    lines = [f"- **{reading.source}**: {_source_sentence(reading)}" for reading in readings]
    told = ", ".join(f"{reading.source} {reading.state.value}" for reading in readings)
    findings = analyse(record for reading in readings for record in reading.records)[:MOST_FINDINGS]
    found = _tell_findings(findings)
    head = Fact(f"**The logs** of the last {_span(hours)}:\n\n" + "\n".join(lines), f"Logs: {told}.")
    return join_facts([head, found])


def tell_log(name: str, hours: float = LOG_HOURS) -> Fact:
    """What one of the four logs tells of. Raises ValueError for a name that is none of them."""
    reading = read_source(name, since=datetime.now(UTC) - timedelta(hours=hours))
    head = Fact(
        f"**{name}**, the last {_span(hours)}: {_source_sentence(reading)}",
        f"Log {name}: {reading.state.value}, {len(reading.records)} records.",
        (Evidence(f"log:{name}", f"The log {name}", f"/diagnostics/logs?source={name}"),),
    )
    return join_facts([head, _tell_findings(analyse(reading.records)[:MOST_FINDINGS])])


def tell_errors() -> Fact:
    """The unresolved error groups, the latest first."""
    groups = list_groups(GroupFilter(limit=MOST_GROUPS))
    if not groups:
        text = "There is no unresolved error. [Diagnostics](/diagnostics/) also shows the resolved ones."
        return Fact(text, "There are no unresolved errors.", (_diagnostics(),))
    return join_facts([_tell_groups(groups), Fact("", "", cards=(FIX,))])


def tell_group(group_id: int) -> Fact:
    """One error group with what the rules make of it. Raises NotFound."""
    group = get_group(group_id)
    diagnoses = diagnose(signals_of_group(group_id), Surroundings.of(current_settings()))
    row = Fact(
        f"{_group_link(group_id, group.error_type)}: {quote_words(group.title)}. It happened {group.count:,} times, "
        f"last {_ago(group.last_seen)}, and is **{group.state.replace('_', ' ')}**.",
        _told_group(group_id, group.error_type, group.place, group.count, group.state, group.severity),
        (_group_evidence(group_id, group.error_type),),
        is_from_outside=True,
    )
    sample = next(iter(list_samples(group_id, 1)), None)
    frames = _own_frames(sample.context if sample is not None else {})
    places = Fact("", f"Own frames, outermost first: {'; '.join(frames)}." if frames else "")
    return join_facts([row, tell_diagnosis(diagnoses[:1]), places, Fact("", "", cards=(FIX,))])


def tell_health(health: Health | None = None, *, is_short: bool = False) -> Fact:
    """The health checks; in short only those that are not well."""
    health = health or check_health()
    unwell = [(check, finding) for check, finding in health.findings if finding.status != "pass"]
    shown = unwell if is_short or unwell else health.findings
    lines = [
        f"- **{check.name}** {_CALM[finding.status]}: {quote_words(finding.text, 240)}"
        + (f" {finding.advice}" if finding.advice else "")
        for check, finding in shown
    ]
    told = "; ".join(f"{check.key} {finding.status}: {_own_words(finding.text)}" for check, finding in health.findings)
    if not unwell:
        head = f"**Health**: all {len(health.findings)} checks are well."
        return Fact(head if is_short else head + "\n\n" + "\n".join(lines), f"Health: {told}", (_diagnostics(),))
    evidence = [Evidence(f"health:{check.key}", f"Health: {check.name}", "/diagnostics/") for check, _ in unwell]
    return Fact(f"**Health** ({health.status}):\n\n" + "\n".join(lines), f"Health: {told}", tuple(evidence))


def tell_text(text: str) -> Fact:
    """What the rules make of a text that somebody pasted."""
    redactor = Redactor.knowing(current_settings().secrets())
    fact = tell_diagnosis(diagnose(signals_of_text(text, redactor), Surroundings.of(current_settings()))[:2])
    return Fact(fact.text, fact.model_text, fact.evidence, is_from_outside=True)


def tell_diagnosis(diagnoses: Sequence[Diagnosis]) -> Fact:
    """Diagnoses in words, each with its rule, how sure it is, its repairs and its evidence."""
    texts, told, evidence = [], [], list[Evidence]()
    for one in diagnoses:
        sure = f" ({one.confidence:.0%} sure, rule {one.rule})" if one.is_known else ""
        text = f"**{quote_words(one.cause, 400)}**{sure}"
        if one.trap:
            text += f"\n\nTrap: {one.trap}"
        if one.advice:
            text += "\n\n" + "\n".join(f"- {_advice(line)}" for line in one.advice[:4])
        texts.append(text)
        repairs = ", ".join(f"{option.id} ({option.tier})" for option in one.repairs) or "none"
        told.append(
            f"Diagnosis: rule {one.rule}, {_rule_cause(one)} Confidence {one.confidence:.2f}; repairs: {repairs}."
        )
        evidence += [
            Evidence(name, _evidence_label(name), _evidence_url(name)) for name in one.evidence[:MOST_EVIDENCE]
        ]
    return Fact("\n\n".join(texts), " ".join(told), tuple(evidence), is_from_outside=True)


def _advice(line: str) -> str:
    """A rule's advice is LUX's own words with its marks; where it quotes the fault it may hold an address."""
    return line if not find_others(line, current_settings().lux_public_url) else quote_words(line, 400)


def _tell_groups(groups: Sequence[GroupRow]) -> Fact:
    shown = groups[:MOST_GROUPS]
    lines = [
        f"- {_group_link(row.group.id, row.group.error_type)}: {quote_words(row.group.title)}"
        f" ({row.group.count:,} times, last {_ago(row.group.last_seen)}"
        + (f", {quote_words(row.group.place, 80)})" if row.group.place else ")")
        for row in shown
    ]
    more = " There are more under [Diagnostics](/diagnostics/)." if len(groups) > len(shown) else ""
    told = "; ".join(
        _told_group(
            row.group.id, row.group.error_type, row.group.place, row.group.count, row.group.state, row.group.severity
        )
        for row in shown
    )
    return Fact(
        "**Unresolved errors**, the latest first:\n\n" + "\n".join(lines) + more,
        f"Unresolved error groups: {told}.",
        tuple(_group_evidence(row.group.id, row.group.error_type) for row in shown),
        is_from_outside=True,
    )


def _tell_findings(findings: Sequence[Finding]) -> Fact:
    """Findings with one example each for people; for the model class, count and LUX's own template of nothing else."""
    if not findings:
        return Fact("They tell of no fault.", "No trouble in them.", is_from_outside=True)
    lines, evidence = [], []
    for one in findings:
        example = one.examples[-1]
        lines.append(f"- {one.kind}, {one.count:,}× in {one.source}: `{_in_code(example.text)}`")
        evidence.append(
            Evidence(example.evidence_id, f"{one.source}: {one.kind}", f"/diagnostics/logs?source={one.source}")
        )
    told = "; ".join(f"{one.kind} {one.count} times in {one.source}, {one.level}" for one in findings)
    return Fact("\n".join(lines), f"Findings in the logs: {told}.", tuple(evidence), is_from_outside=True)


def _in_code(text: str) -> str:
    """A log line for a span of code: one line, no backtick, no address."""
    words = quote_words(text, 200)
    return re.sub(r"\\([\\`*_\[\]<>#|~!])", r"\1", words).replace("`", "'")


def _told_group(group_id: int, error_type: str, place: str | None, count: int, state: str, severity: str) -> str:
    kind = error_type if re.fullmatch(r"[A-Za-z_][\w.]{0,60}", error_type) and not has_order(error_type) else "an error"
    where = place or ""
    where = f" at {where}" if re.fullmatch(r"[a-z0-9_/<>:. -]{1,80}", where) and not has_order(where) else ""
    return f"error group {group_id} ({kind}{where}, {count} times, {state}, {severity})"


def _rule_cause(diagnosis: Diagnosis) -> str:
    """The rule's own words: what a match has put in their place may quote the fault."""
    if diagnosis.rule in (NOTHING_WRONG, UNKNOWN):
        return _UNSURE[diagnosis.rule == UNKNOWN]
    return next((rule.cause for rule in RULES if rule.key == diagnosis.rule), diagnosis.class_)


def _own_words(text: str) -> str:
    """A check's sentence without anything between quotes: that may come from outside."""
    return re.sub(r"[\"'“„«‘][^\"'”“»’]{0,300}[\"'”“»’]", "…", text)[:200]


def _own_frames(context: object) -> list[str]:
    """File and function of LUX's own frames in a sample: names from the source, which no stranger writes."""
    rows = context.get("frames") if isinstance(context, dict) else None
    frames = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    named = [f"{frame.get('file')}:{frame.get('function')}" for frame in frames if frame.get("is_own")]
    return [name for name in named if re.fullmatch(r"[\w./:<>-]{1,120}", name)][-6:]


def _source_sentence(reading: SourceReading) -> str:
    if reading.state is State.READ:
        return f"{len(reading.records):,} records read."
    # The sentence holds paths, which are LUX's settings.
    return quote_words(reading.sentence, 200)


def _evidence_label(name: str) -> str:
    source, _, rest = name.partition(":")
    if source == "error":
        return f"Error {rest}"
    if source == "health":
        return f"Health: {rest}"
    return f"Line {rest} of the text" if source == "text" else f"The log {source}"


def _evidence_url(name: str) -> str:
    source = name.partition(":")[0]
    if source in SOURCES:
        return f"/diagnostics/logs?source={source}"
    return "/diagnostics/" if source in ("health", "error") else ""


def _group_link(group_id: int, error_type: str) -> str:
    return f"[{quote_words(error_type, 60)}](/diagnostics/groups/{group_id})"


def _group_evidence(group_id: int, error_type: str) -> Evidence:
    return Evidence(
        f"group:{group_id}", f"Error group {group_id}: {error_type[:60]}", f"/diagnostics/groups/{group_id}"
    )


def _diagnostics() -> Evidence:
    return Evidence("health:all", "Diagnostics", "/diagnostics/")


def _span(hours: float) -> str:
    return "hour" if hours == 1 else f"{hours:g} hours"


def _ago(moment: datetime) -> str:
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"
