"""Lists of name-value pairs, as form builders send them, read as one object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lib.field_names import field_of

NAME_KEYS = (
    "label",
    "title",
    "column_name",
    "columnName",
    "question",
    "name",
    "key",
    "field",
    "column_id",
    "property",
    "ref",
    "id",
)
VALUE_KEYS = (
    "value",
    "values",
    "answer",
    "answers",
    "string_value",
    "stringValue",
    "response",
    "field_value",
    "val",
    "text",
)
MOST_FIELDS = 500


def is_form_field(item: Mapping[str, Any]) -> bool:
    """Whether an object is one field of a form: a name and a value, such as `{"name": "email", "values": […]}`."""
    if isinstance(item.get("type"), str) and item["type"] in item and "field" in item:
        return True  # Typeform: {"type": "email", "email": "ann@example.com", "field": {…}}
    names = [key for key in NAME_KEYS if isinstance(item.get(key), str | int)]
    values = [key for key in VALUE_KEYS if key in item and key not in names]
    has_own_email = any(field_of(key) == "email" and "@" in str(value) for key, value in item.items())
    return bool(names and values) and not has_own_email


def opened(value: Any, titles: Mapping[str, str] | None = None) -> Any:
    """The tree with every list or object of form fields replaced by one object of name → value."""
    titles = titles or {}
    if isinstance(value, list):
        if value and all(isinstance(item, dict) and is_form_field(item) for item in value):
            return _joined((_name(item, titles), opened(_value(item))) for item in value)
        return [opened(item, titles) for item in value]
    if not isinstance(value, dict):
        return value
    titles = {**titles, **_titles(value.get("definition"))}
    if value and all(isinstance(item, dict) and is_form_field(item) for item in value.values()):
        return _joined((_best([key, *_names(item, titles)]), opened(_value(item))) for key, item in value.items())
    return {key: opened(item, titles) for key, item in value.items()}


def joined_values(first: Any, second: Any) -> Any:
    """Two values of one key: the blank one gives way, otherwise both are kept in a list."""
    if first in ("", None):
        return second
    if second in ("", None):
        return first
    held = first if isinstance(first, list) else [first]
    return [*held, *(second if isinstance(second, list) else [second])]


def _joined(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        found[name] = joined_values(found[name], value) if name in found else value
    return found


def _titles(definition: Any) -> dict[str, str]:
    """Typeform asks its questions in `definition` and answers by their ids."""
    fields = definition.get("fields") if isinstance(definition, dict) else None
    if not isinstance(fields, list):
        return {}
    return {
        str(field["id"]): str(field["title"])
        for field in fields[:MOST_FIELDS]
        if isinstance(field, dict) and "id" in field and isinstance(field.get("title"), str)
    }


def _name(item: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    return _best(_names(item, titles))


def _names(item: Mapping[str, Any], titles: Mapping[str, str]) -> list[str]:
    names = [str(item[key]) for key in NAME_KEYS if isinstance(item.get(key), str | int)]
    inner = item.get("field")
    if isinstance(inner, dict):
        names = [
            titles.get(str(inner.get("id")), ""),
            *(str(inner[key]) for key in ("title", "ref") if inner.get(key)),
            *names,
        ]
    if isinstance(item.get("type"), str):
        names.append(item["type"].removeprefix("INPUT_").removeprefix("control_"))
    return [name for name in names if name.strip()] or ["field"]


def _best(names: list[str]) -> str:
    """The name that says most: one that stands for a field of a contact, otherwise the first."""
    return next((name for name in names if field_of(name)), names[0])


def _value(item: Mapping[str, Any]) -> Any:
    kind = item.get("type")
    if isinstance(kind, str) and kind in item and "field" in item:
        return item[kind]
    names = [key for key in NAME_KEYS if isinstance(item.get(key), str | int)]
    return next((item[key] for key in VALUE_KEYS if key in item and key not in names), None)
