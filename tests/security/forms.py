"""Every form of every page, found on the pages themselves: where it leads, which fields it has."""

from __future__ import annotations

from dataclasses import dataclass

from tests.makers import soup
from tests.security.house import House


@dataclass(frozen=True)
class Form:
    """A form as a page shows it; `texts` are the fields whose values people choose."""

    action: str
    fields: dict[str, str]
    texts: frozenset[str]


def list_forms(house: House, addresses: list[str]) -> list[Form]:
    """Each form of those pages once: several rows of a page have the same one."""
    found: dict[tuple[str, frozenset[str]], Form] = {}
    for address in addresses:
        answer = house.ask("owner", "GET", address)
        assert answer.status_code != 500, address
        if answer.mimetype != "text/html":
            continue
        for form in soup(answer).find_all("form"):
            if str(form.get("method", "get")).lower() != "post":
                continue
            fields = {
                str(field["name"]): str(field.get("value", "") or "")
                for field in form.find_all(["input", "select", "textarea", "button"])
                if field.get("name")
            }
            fields.pop("csrf_token", None)
            action = str(form.get("action") or address)
            key = ("".join("0" if sign.isdigit() else sign for sign in action.partition("?")[0]), frozenset(fields))
            found.setdefault(key, Form(action, fields, frozenset(fields)))
    return list(found.values())


def list_all_forms(house: House) -> list[Form]:
    """The forms with fields of all pages that the owner may see."""
    addresses = [address for _, address in house.scene.list_addresses() if not address.startswith(("/api/", "/o/"))]
    return [form for form in list_forms(house, addresses) if form.fields]
