"""A segment's rules: what is refused, how it is named, what the sentence says; and nothing typed becomes SQL."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from audience.rule_fields import FIELDS, OPERATORS, list_fields
from audience.rules import DEEPEST, MOST_RULES, SegmentRules, describe_rules, validate_rules
from audience.segment_queries import count_rules, rules_condition
from errors import InputInvalid
from extensions import db
from models import Contact
from tests import makers

DEPENDS_ON_NOTHING = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150
)


def rule(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


def both(*rules: dict[str, Any], match: str = "all") -> dict[str, Any]:
    return {"match": match, "rules": list(rules)}


def statement_of(rules: SegmentRules) -> str:
    return str(select(Contact.id).where(rules_condition(rules)).compile(db.engine))


def refused(data: Any, **more: Any) -> dict[str, str]:
    with pytest.raises(InputInvalid) as error:
        validate_rules(data, **more)
    return error.value.fields


@pytest.mark.parametrize(
    "data", [None, [], "rules", 3, {}, {"rules": "x"}, {"match": "some", "rules": []}, {"rules": [3]}]
)
def test_what_is_no_set_of_rules_is_refused(app: Flask, data: Any) -> None:
    assert refused(data)


def test_what_is_wrong_is_named_by_its_path(app: Flask) -> None:
    wrong = refused(
        both(
            rule("subscription", "is", "subscribed"),
            rule("password", "is", "x"),
            rule("email", "more_than", "3"),
            both(rule("opened", "within_days", "soon"), rule("created_at", "after", "yesterday")),
            rule("attribute.age", "more_than", "old"),
            rule("subscription", "is", "sometimes"),
            both(),
        )
    )
    assert set(wrong) == {
        "rules.1.field", "rules.2.operator", "rules.3.rules.0.value", "rules.3.rules.1.value", "rules.4.value",
        "rules.5.value", "rules.6.rules",
    }  # fmt: skip
    assert wrong["rules.3.rules.0.value"] == "Enter a number of days from 1 to 3650."


def test_rules_have_a_size(app: Flask) -> None:
    one = rule("name", "is_known")
    assert "at most" in refused(both(*[one] * (MOST_RULES + 1)))["rules"]
    deep = both(one)
    for _ in range(DEEPEST):
        deep = both(deep)
    assert "deep" in refused(deep)["rules"]
    for _ in range(5000):
        deep = both(deep)
    assert "deep" in refused(deep)["rules"]


def test_a_segment_cannot_contain_itself_even_through_another(app: Flask) -> None:
    first = makers.make_segment()
    second = makers.make_segment(rules=both(rule("segment", "in", first.id)))
    assert "contain itself" in refused(both(rule("segment", "not_in", second.id)), segment_id=first.id)["rules.0.value"]
    assert "contain itself" in refused(both(rule("segment", "in", first.id)), segment_id=first.id)["rules.0.value"]
    assert "Choose a segment" in refused(both(rule("segment", "in", 4711)))["rules.0.value"]


def test_values_become_what_they_mean(app: Flask) -> None:
    rules = validate_rules(
        both(
            rule("opened", "within_days", " 30 "),
            rule("attribute.age", "more_than", "3,5"),
            rule("email", "is_any_of", "a@example.com, b@example.com, a@example.com"),
            rule("name", "is_known", "left over"),
        )
    )
    assert [one.value for one in rules.rules if not isinstance(one, SegmentRules)] == [
        30, 3.5, ["a@example.com", "b@example.com"], None,
    ]  # fmt: skip


def test_the_sentence_says_what_the_rules_are(app: Flask) -> None:
    segment = makers.make_segment(name="Newsletter")
    campaign = makers.make_campaign(name="Spring")
    rules = validate_rules(
        both(
            rule("subscription", "is", "subscribed"),
            both(
                rule("attribute.plan", "is_any_of", "pro, team"),
                rule("tag", "has_not", "vip"),
                rule("segment", "in", segment.id),
                match="any",
            ),
            rule("opened", "not_within_days", 1),
            rule("clicked", "never"),
            rule("created_at", "not_within_days", 7),
            rule("campaign_opened", "is_not", campaign.id),
            rule("phone", "is_unknown"),
        )
    )
    assert describe_rules(rules) == (
        "Contacts whose subscription is “subscribed”, (whose plan is “pro” or “team”, who do not have the tag “vip”, "
        "or who are in the segment “Newsletter”), who did not open a message in the last day, who have never clicked a "
        "link, who were added more than 7 days ago, who did not open the campaign “Spring”, and whose phone number is "
        "not known."
    )


def test_every_field_and_operator_compiles_runs_and_reads_back(app: Flask) -> None:
    segment, campaign = makers.make_segment(), makers.make_campaign()
    samples: dict[str, Any] = {
        "text": "x", "texts": "x, y", "choice": "subscribed", "choices": ["pending", "subscribed"], "days": 30,
        "date": "2026-05-01", "number": 3, "segment": segment.id, "campaign": campaign.id, "": None,
    }  # fmt: skip
    makers.make_contact(attributes={"plan": "12", "born": "2001-02-03"})
    for name in [*FIELDS, "attribute.plan", "attribute.born", "attribute.nowhere"]:
        kind = FIELDS[name].kind if name in FIELDS else "attribute"
        for operator in OPERATORS[kind].values():
            rules = validate_rules(both(rule(name, operator.name, samples[operator.value])))
            assert count_rules(rules) in (0, 1)
            assert describe_rules(rules).startswith("Contacts who")


def test_the_list_of_fields_is_what_rules_know(app: Flask) -> None:
    assert {field.name for field in list_fields()} == set(FIELDS)
    assert all(field.operators for field in list_fields())


hostile = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "'; DROP TABLE contacts; --",
            "' OR 1=1 --",
            "%",
            "_",
            "\\",
            "\x00",
            "\ud800",
            "{{7*7}}",
            "$1",
            "%(x)s",
            ":x",
            "1e400",
        ]
    ),
    st.integers(),
    st.floats(),
    st.none(),
    st.lists(st.text(max_size=10), max_size=5),
    st.booleans(),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
)
names = st.one_of(st.sampled_from(sorted(FIELDS)), st.text(max_size=30).map("attribute.".__add__), st.text(max_size=20))
operators = st.one_of(
    st.sampled_from(sorted({one for known in OPERATORS.values() for one in known})), st.text(max_size=10)
)
conditions = st.fixed_dictionaries({"field": names, "operator": operators, "value": hostile})
groups = st.recursive(
    conditions,
    lambda inner: st.fixed_dictionaries(
        {"match": st.sampled_from(["all", "any", "none"]), "rules": st.lists(inner, max_size=4)}
    ),
    max_leaves=8,
)


@DEPENDS_ON_NOTHING
@given(data=st.one_of(groups, hostile))
def test_whatever_is_sent_gives_a_count_or_named_complaints(app: Flask, data: Any) -> None:
    try:
        rules = validate_rules(data)
    except InputInvalid as error:
        assert all(error.fields.values())
        return
    statement = statement_of(rules)
    assert "DROP" not in statement
    assert "OR 1=1" not in statement
    assert count_rules(rules) >= 0
    assert describe_rules(rules).startswith("Contacts ")


@DEPENDS_ON_NOTHING
@given(name=names.filter(lambda name: name in FIELDS or name.startswith("attribute.")), value=st.text(max_size=60))
def test_no_field_name_or_value_is_ever_written_into_the_statement(app: Flask, name: str, value: str) -> None:
    marker = "zq9x"
    data = both(rule(f"{name}{marker}" if name.startswith("attribute.") else name, "contains", f"{value}{marker}"))
    try:
        rules = validate_rules(data)
    except InputInvalid:
        return
    assert marker not in statement_of(rules)
