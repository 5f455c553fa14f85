"""The values that fields hold, taken out of the shapes in which senders wrap them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lib.clean_text import cut, key_letters, one_line, present
from lib.field_names import is_secret, is_stranger

LONGEST_TEXT = 1_000
LONGEST_KEY = 100

# Under an e-mail's or a phone's key these hold the value itself: {"email": {"address": "ann@example.com"}}.
VALUE_STEPS = frozenset(
    {
        "email",
        "full",
        "value",
        "work",
        "main",
        "answer",
        "phone",
        "address",
        "personal",
        "other",
        "values",
        "primary",
        "home",
        "mail",
        "number",
        "text",
    }
)


def texts_of(value: Any) -> Iterator[str]:
    """The texts that a value holds by itself: text, a list of texts, `{"address": …}`, `[{"value": …}]`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, list):
        for item in value:
            yield from texts_of(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key_letters(key) in VALUE_STEPS:
                yield from texts_of(item)


def numbers_of(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        area = value.get("area") or value.get("areacode") or value.get("area_code")
        number = value.get("phone") or value.get("number")
        if isinstance(area, str | int) and isinstance(number, str | int):
            yield f"{area} {number}"
        for key, item in value.items():
            if key_letters(key) in VALUE_STEPS:
                yield from numbers_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from numbers_of(item)
    else:
        yield value


def plain_text(value: Any, length: int) -> str | None:
    text = present(str(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    return cut(text, length) or None


def attribute_value(value: Any) -> Any:
    """A value as an attribute keeps it; None for what says nothing."""
    if isinstance(value, str):
        return cut(present(value), LONGEST_TEXT) or None
    if isinstance(value, list):
        kept = [kept for kept in (attribute_value(item) for item in value) if kept is not None]
        return kept or None
    if isinstance(value, dict):
        inner = {
            cut(one_line(key), 100): attribute_value(item)
            for key, item in value.items()
            if not is_stranger(key) and not is_secret(key)
        }
        return {key: item for key, item in inner.items() if item is not None} or None
    return value
