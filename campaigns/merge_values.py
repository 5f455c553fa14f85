"""The values that a merge tag may name, and what they are for one contact. To allow another, add a row to VALUES."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VALUES: dict[str, str] = {
    "first_name": "The first word of the contact's name",
    "last_name": "The rest of the contact's name",
    "name": "The contact's name",
    "email": "The contact's e-mail address",
    "phone": "The contact's phone number",
    "company": "The contact's company",
    "source": "Where the contact came from",
}
ATTRIBUTES = "attributes."


def is_merge_value(name: str) -> bool:
    """Whether a merge tag may name this value."""
    return name in VALUES or name.startswith(ATTRIBUTES)


def read_merge_values(
    *, email: str, name: str | None, phone: str | None, source: str | None, attributes: Mapping[str, Any]
) -> dict[str, str]:
    """The values of one contact; what is missing is not in it."""
    first, _, last = (name or "").strip().partition(" ")
    company = attributes.get("company")
    values = {
        "email": email,
        "name": (name or "").strip(),
        "first_name": first,
        "last_name": last.strip(),
        "phone": phone or "",
        "source": source or "",
        "company": company if isinstance(company, str) else "",
    }
    for key, value in attributes.items():
        if isinstance(value, str):
            values[ATTRIBUTES + key] = value
        elif isinstance(value, int | float) and not isinstance(value, bool):
            values[ATTRIBUTES + key] = f"{value:g}" if isinstance(value, float) else str(value)
    return {key: value for key, value in values.items() if value}


SAMPLE_VALUES: dict[str, str] = {
    "first_name": "Alex",
    "last_name": "Morgan",
    "name": "Alex Morgan",
    "email": "alex.morgan@example.com",
    "phone": "+1 202 555 0143",
    "company": "Example Ltd",
    "source": "website",
}
