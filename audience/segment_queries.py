"""Segments as SQL: who is in by rules, by hand or by source; counted, sampled, listed."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, exists, false, func, not_, or_, select, union

from audience.rule_fields import JOINERS, condition_of, find_field
from audience.rules import Condition, SegmentRules
from extensions import db
from models import Contact, Segment, SegmentMembership


def rules_condition(rules: SegmentRules, _inside: frozenset[int] = frozenset()) -> ColumnElement[bool]:
    """The condition on contacts that the rules are. Expects rules that validate_rules() has let through."""
    parts = [
        rules_condition(rule, _inside) if isinstance(rule, SegmentRules) else _condition(rule, _inside)
        for rule in rules.rules
    ]
    return JOINERS[rules.match](*parts) if parts else false()


def segment_condition(segment_id: int, _inside: frozenset[int] = frozenset()) -> ColumnElement[bool]:
    """The condition on contacts for being in a segment, by rules or by membership; nobody is in one that is gone."""
    segment = db.session.get(Segment, segment_id)
    if segment is None or segment_id in _inside:
        return false()
    is_member = exists().where(SegmentMembership.segment_id == segment_id, SegmentMembership.contact_id == Contact.id)
    if segment.rules is None:
        return is_member
    by_rules = rules_condition(SegmentRules.model_validate(segment.rules), _inside | {segment_id})
    return or_(by_rules, is_member) if _has_members(segment_id) else by_rules


def segment_query(segment_id: int) -> Select[int]:
    """The ids of a segment's contacts, each once: for INSERT … SELECT, counts and samples."""
    segment = db.session.get(Segment, segment_id)
    members = select(SegmentMembership.contact_id.label("id")).where(SegmentMembership.segment_id == segment_id)
    if segment is None or segment.rules is None:
        return members
    rules = SegmentRules.model_validate(segment.rules)
    by_rules = select(Contact.id).where(rules_condition(rules, frozenset({segment_id})))
    if not _has_members(segment_id):
        return by_rules
    both = union(members, by_rules).subquery()
    return select(both.c.id)


def rules_query(rules: SegmentRules) -> Select[int]:
    """The ids of the contacts for whom the rules hold."""
    return select(Contact.id).where(rules_condition(rules))


def count_ids(query: Select[int]) -> int:
    """How many ids a query gives."""
    return db.session.scalar(select(func.count()).select_from(query.subquery())) or 0


def count_segment(segment_id: int) -> int:
    """How many contacts are in a segment now."""
    return count_ids(segment_query(segment_id))


def count_rules(rules: SegmentRules) -> int:
    """How many contacts the rules hold for now."""
    return count_ids(rules_query(rules))


def list_samples(query: Select[int], limit: int = 5) -> list[Contact]:
    """A few of the contacts whose ids a query gives: the newest."""
    ids = query.subquery()
    return list(
        db.session.scalars(select(Contact).join(ids, ids.c.id == Contact.id).order_by(Contact.id.desc()).limit(limit))
    )


def _condition(condition: Condition, inside: frozenset[int]) -> ColumnElement[bool]:
    field = find_field(condition.field)
    if field is None:
        return false()
    if field.kind != "segment":
        return condition_of(field, condition.operator, condition.value)
    is_in = segment_condition(int(str(condition.value)), inside)
    return is_in if condition.operator == "in" else not_(is_in)


def _has_members(segment_id: int) -> bool:
    found = select(SegmentMembership.contact_id).where(SegmentMembership.segment_id == segment_id).limit(1)
    return db.session.scalar(found) is not None
