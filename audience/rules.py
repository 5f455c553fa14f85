"""A segment's rules as typed values: read from untrusted data, checked, told in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, StringConstraints, Tag, ValidationError
from sqlalchemy import select

from audience.rule_fields import OPERATORS, Field, Operator, find_field
from errors import InputInvalid
from extensions import db
from lib.clean_text import one_line
from models import Campaign, Segment

DEEPEST = 4
MOST_RULES = 60
LONGEST_VALUE = 200
MOST_VALUES = 50
MOST_DAYS = 3650
LARGEST_ID = 2**63 - 1


def _kind_of(data: Any) -> str:
    is_group = isinstance(data, SegmentRules) or (isinstance(data, dict) and "rules" in data)
    return "group" if is_group else "condition"


class Condition(BaseModel):
    """One comparison: a field, an operator, a value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: Annotated[str, StringConstraints(max_length=120)]
    operator: Annotated[str, StringConstraints(max_length=40)]
    value: str | int | float | list[str] | None = None


class SegmentRules(BaseModel):
    """Conditions and further groups, of which all or any must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    match: Literal["all", "any"] = "all"
    rules: list[
        Annotated[
            Annotated[Condition, Tag("condition")] | Annotated[SegmentRules, Tag("group")], Discriminator(_kind_of)
        ]
    ]


@dataclass(frozen=True)
class _Wrong(Exception):
    complaint: str


def validate_rules(data: Any, *, segment_id: int | None = None) -> SegmentRules:
    """Reads rules from JSON or a form. Raises InputInvalid, its fields named by their path: `rules.0.value`.

    `segment_id` is the segment whose rules these become; it must not contain itself.
    """
    if isinstance(data, SegmentRules):
        data = data.model_dump()
    _check_size(data)
    try:
        rules = SegmentRules.model_validate(data)
    except ValidationError as error:
        raise InputInvalid(_complaints(error)) from error
    wrong: dict[str, str] = {}
    checked = _checked_group(rules, "rules", wrong, segment_id)
    if wrong:
        raise InputInvalid(wrong)
    return checked


def describe_rules(rules: SegmentRules) -> str:
    """The rules as one sentence: "Contacts whose plan is “pro” and who clicked a link in the last 30 days." """
    return f"Contacts {_describe_group(rules)}."


def describe_condition(condition: Condition) -> str:
    """One condition as a clause: whose name contains “ann”."""
    field = find_field(condition.field)
    if field is None or condition.operator not in OPERATORS[field.kind]:
        return "who meet a condition that LUX does not know"
    return _CLAUSES[field.kind](field, OPERATORS[field.kind][condition.operator], condition.value)


def list_conditions(rules: SegmentRules) -> Iterator[Condition]:
    """Every condition, of inner groups too."""
    for rule in rules.rules:
        if isinstance(rule, SegmentRules):
            yield from list_conditions(rule)
        else:
            yield rule


def list_segment_ids(rules: SegmentRules) -> set[int]:
    """The segments that the rules speak of."""
    return {int(one.value) for one in list_conditions(rules) if one.field == "segment" and isinstance(one.value, int)}


def _check_size(data: Any) -> None:
    """Refuses what is too deep or too long before anything recurses into it."""
    if not isinstance(data, dict):
        raise InputInvalid({"rules": "Rules are an object with “match” and “rules”."})
    level, count = [data], 0
    for _ in range(DEEPEST):
        inner = [rule for group in level if isinstance(group.get("rules"), list) for rule in group["rules"]]
        count += len(inner)
        if count > MOST_RULES:
            raise InputInvalid({"rules": f"A segment has at most {MOST_RULES} conditions and groups."})
        level = [rule for rule in inner if isinstance(rule, dict) and "rules" in rule]
    if level:
        raise InputInvalid({"rules": f"Groups stand at most {DEEPEST} deep."})


def _complaints(error: ValidationError) -> dict[str, str]:
    found = {}
    for one in error.errors(include_url=False, include_input=False):
        steps = [str(step) for step in one["loc"] if step not in ("condition", "group")]
        found[one_line(".".join(steps))[:LONGEST_VALUE] or "rules"] = _sentence(str(one["msg"]))
    return found


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _checked_group(group: SegmentRules, path: str, wrong: dict[str, str], segment_id: int | None) -> SegmentRules:
    if not group.rules:
        wrong[path] = "Add a condition to this group, or remove the group."
    checked: list[Condition | SegmentRules] = []
    for number, rule in enumerate(group.rules):
        at = f"{path}.{number}"
        if isinstance(rule, SegmentRules):
            checked.append(_checked_group(rule, f"{at}.rules", wrong, segment_id))
        else:
            checked.append(_checked_condition(rule, at, wrong, segment_id))
    return SegmentRules(match=group.match, rules=checked)


def _checked_condition(condition: Condition, path: str, wrong: dict[str, str], segment_id: int | None) -> Condition:
    field = find_field(condition.field)
    if field is None:
        wrong[f"{path}.field"] = f"“{one_line(condition.field)}” is not a field that rules know."
        return condition
    operator = OPERATORS[field.kind].get(condition.operator)
    if operator is None:
        known = ", ".join(OPERATORS[field.kind])
        wrong[f"{path}.operator"] = f"{field.label} compares by one of: {known}."
        return condition
    try:
        value = _checked_value(field, operator, condition.value, segment_id)
    except _Wrong as error:
        wrong[f"{path}.value"] = error.complaint
        return condition
    return Condition(field=condition.field, operator=condition.operator, value=value)


def _checked_value(field: Field, operator: Operator, value: Any, segment_id: int | None) -> Any:
    match operator.value:
        case "":
            return None
        case "text":
            return _text(value)
        case "texts":
            return _texts(value)
        case "choice":
            return _choice(field, _text(value))
        case "choices":
            return [_choice(field, one) for one in _texts(value)]
        case "days":
            return _whole(value, 1, MOST_DAYS, f"Enter a number of days from 1 to {MOST_DAYS}.")
        case "number":
            return _number(value)
        case "date":
            return _date(value)
        case "segment":
            return _segment_id(value, segment_id)
    return _campaign_id(value)


def _text(value: Any) -> str:
    text = one_line(str(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    if not text:
        raise _Wrong("Enter what to compare with.")
    if len(text) > LONGEST_VALUE:
        raise _Wrong(f"This is longer than {LONGEST_VALUE} characters.")
    return text


def _texts(value: Any) -> list[str]:
    given = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    texts = list(dict.fromkeys(_text(one) for one in given if one_line(str(one or ""))))
    if not texts:
        raise _Wrong("Enter at least one value; a comma stands between two.")
    if len(texts) > MOST_VALUES:
        raise _Wrong(f"Enter at most {MOST_VALUES} values.")
    return texts


def _choice(field: Field, text: str) -> str:
    if text not in field.words:
        raise _Wrong(f"Choose one of: {', '.join(field.words)}.")
    return text


def _whole(value: Any, least: int, most: int, complaint: str) -> int:
    try:
        number = int(str(value).strip().removesuffix(".0"))
    except ValueError:
        raise _Wrong(complaint) from None
    if not least <= number <= most:
        raise _Wrong(complaint)
    return number


def _number(value: Any) -> int | float:
    try:
        number = Decimal(str(value).strip().replace(",", "."))
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or abs(number) >= Decimal(10) ** 15:
        raise _Wrong("Enter a number, such as 12 or 3.5.")
    return int(number) if number == number.to_integral_value() else float(number)


def _date(value: Any) -> str:
    try:
        day = date.fromisoformat(str(value).strip())
    except ValueError:
        raise _Wrong("Enter a date, such as 2026-05-01.") from None
    return day.isoformat()


def _segment_id(value: Any, own_id: int | None) -> int:
    number = _whole(value, 1, LARGEST_ID, "Choose a segment.")
    if db.session.get(Segment, number) is None:
        raise _Wrong("Choose a segment.")
    if own_id is not None and (number == own_id or own_id in _all_inner(number)):
        raise _Wrong("A segment cannot contain itself, not even through another one.")
    return number


def _campaign_id(value: Any) -> int:
    number = _whole(value, 1, LARGEST_ID, "Choose a campaign.")
    if db.session.get(Campaign, number) is None:
        raise _Wrong("Choose a campaign.")
    return number


def _all_inner(segment_id: int) -> set[int]:
    """The segments that a segment's rules speak of, directly and through others."""
    found: set[int] = set()
    waiting = [segment_id]
    while waiting:
        segment = db.session.get(Segment, waiting.pop())
        inner = list_segment_ids(SegmentRules.model_validate(segment.rules)) if segment and segment.rules else set()
        waiting += inner - found
        found |= inner
    return found


def _describe_group(group: SegmentRules) -> str:
    parts = [
        f"({_describe_group(rule)})" if isinstance(rule, SegmentRules) else describe_condition(rule)
        for rule in group.rules
    ]
    word = "and" if group.match == "all" else "or"
    if len(parts) < 2:
        return "".join(parts)
    comma = "," if len(parts) > 2 else ""
    return f"{', '.join(parts[:-1])}{comma} {word} {parts[-1]}"


def _quoted(value: Any) -> str:
    given = value if isinstance(value, list) else [value]
    return " or ".join(f"“{one}”" for one in given)


def _say_text(field: Field, operator: Operator, value: Any) -> str:
    label = operator.label.replace("is any of", "is")
    shown = value if operator.value in ("number", "date") else _quoted(value)
    return f"whose {field.words[0]} {label} {shown}" if operator.value else f"whose {field.words[0]} {label}"


def _say_choice(_field: Field, operator: Operator, value: Any) -> str:
    return f"whose subscription is {'not ' if operator.name == 'is_not' else ''}{_quoted(value)}"


def _say_tag(_field: Field, operator: Operator, value: Any) -> str:
    return f"who {'have' if operator.name == 'has' else 'do not have'} the tag {_quoted(value)}"


def _say_segment(_field: Field, operator: Operator, value: Any) -> str:
    name = db.session.scalar(select(Segment.name).where(Segment.id == value))
    return f"who are {'' if operator.name == 'in' else 'not '}in the segment {_quoted(name or 'that is gone')}"


def _say_campaign(field: Field, operator: Operator, value: Any) -> str:
    name = db.session.scalar(select(Campaign.name).where(Campaign.id == value))
    verb = field.words[0] if operator.name == "is" else field.words[1]
    return f"who {verb} the campaign {_quoted(name or 'that is gone')}"


def _say_date(field: Field, operator: Operator, value: Any) -> str:
    return f"who {field.words[0]} {_when(operator, value)}"


def _say_activity(field: Field, operator: Operator, value: Any) -> str:
    did, do = field.words
    match operator.name:
        case "ever":
            return f"who have ever {did}"
        case "never":
            return f"who have never {did}"
        case "within_days":
            return f"who {did} {_when(operator, value)}"
    return f"who did not {do} in the last {_days(value)}"


def _say_fact(field: Field, operator: Operator, _value: Any) -> str:
    return f"who {field.words[0] if operator.name == 'is_true' else field.words[1]}"


def _say_score(field: Field, operator: Operator, value: Any) -> str:
    return f"whose {field.words[0]} {operator.label} {value}"


def _when(operator: Operator, value: Any) -> str:
    if operator.value == "days":
        return operator.label.replace("… days", _days(value))
    return f"{operator.label} {value}"


def _days(value: Any) -> str:
    return "day" if value == 1 else f"{value} days"


_CLAUSES = {
    "text": _say_text,
    "attribute": _say_text,
    "choice": _say_choice,
    "tag": _say_tag,
    "segment": _say_segment,
    "campaign": _say_campaign,
    "date": _say_date,
    "activity": _say_activity,
    "fact": _say_fact,
    "score": _say_score,
}
