"""A segment as a proposal: rules checked and counted by code, under a name that is free."""

from __future__ import annotations

from typing import Any

from agents.base import ProposedAction
from audience.rules import describe_rules, validate_rules
from audience.segment_queries import count_rules
from audience.segments import list_segments

Rules = dict[str, Any]


def rule(field: str, operator: str, value: Any = None) -> Rules:
    """One rule of a segment."""
    return {"field": field, "operator": operator, "value": value}


def all_of(*rules: Rules) -> Rules:
    """Rules that must all hold."""
    return {"match": "all", "rules": list(rules)}


SUBSCRIBED = rule("subscription", "is", "subscribed")


def propose_segment(name: str, rules: Rules, *, reason: str, made_by: str, slot: str) -> list[ProposedAction]:
    """The proposal; nothing when nobody would be in it or a segment of this name is there. Raises InputInvalid."""
    if any(segment.name.lower() == name.lower() for segment in list_segments()):
        return []
    checked = validate_rules(rules)
    count = count_rules(checked)
    if not count:
        return []
    reads = describe_rules(checked)
    payload = {"name": name, "description": reads[:500], "rules": checked.model_dump(mode="json"), "made_by": made_by}
    effect = f"A segment of {count:,} contacts as of now: {reads}"
    return [ProposedAction("draft_segment", f"Add the segment “{name}”", payload, reason, effect, slot)]
