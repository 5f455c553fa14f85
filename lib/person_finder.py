"""Finds the one person in an item that a sender posted: e-mail first, then name, phone and source around it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lib.clean_text import cut, key_letters, one_line, present
from lib.email_addresses import read_addresses
from lib.field_names import (
    ENVELOPE_KEYS,
    ENVELOPE_STEPS,
    PERSON_STEPS,
    is_certain_email,
    is_secret,
    is_stranger,
    mapped_field,
)
from lib.field_values import attribute_value, numbers_of, plain_text, texts_of
from lib.form_fields import opened
from lib.phone import Phone, read_phone

LONGEST_NAME = 200
LONGEST_SOURCE = 300
MOST_ATTRIBUTES = 100
MOST_OTHER_ADDRESSES = 10

_NO_MAPPING: Mapping[str, str] = {}
_FREE_TEXT = frozenset(
    {
        "note",
        "feedback",
        "body",
        "description",
        "message",
        "question",
        "subject",
        "comments",
        "notes",
        "comment",
        "text",
    }
)


@dataclass
class Person:
    """What an item says about a person. `email` is None when no usable address was found."""

    email: str | None = None
    other_emails: list[str] = field(default_factory=list)
    name: str | None = None
    phone: str | None = None
    phone_raw: str | None = None
    source: str | None = None
    form: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(eq=False)
class _Node:
    """An object of the item, with the way down to it and the owner's mapping of keys."""

    content: dict[str, Any]
    mapping: Mapping[str, str]
    key: str = ""
    parent: _Node | None = None
    in_list: bool = False

    def ancestors(self) -> Iterator[_Node]:
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    @cached_property
    def children(self) -> list[_Node]:
        found: list[_Node] = []
        for key, value in self.content.items():
            if isinstance(value, dict | list) and not is_stranger(key):
                inner = [value] if isinstance(value, dict) else [item for item in value if isinstance(item, dict)]
                found += [_Node(item, self.mapping, key, self, in_list=isinstance(value, list)) for item in inner]
        return found

    @cached_property
    def own_children(self) -> list[_Node]:
        """Objects below that can only be about the same person: no lists of objects."""
        return [child for child in self.children if not child.in_list]

    @cached_property
    def _keys_by_field(self) -> dict[str | None, list[str]]:
        found: dict[str | None, list[str]] = {}
        for key in self.content:
            found.setdefault(mapped_field(key, self.mapping), []).append(key)
        return found

    def keys_of(self, wanted: str) -> list[str]:
        """The keys that stand for a field of a contact, in their order."""
        return self._keys_by_field.get(wanted, [])


def find_person(item: Mapping[str, Any], region: str = "US", mapping: Mapping[str, str] = _NO_MAPPING) -> Person:
    """Reads an item as lib.payloads gives it.

    `region` is the country of phone numbers without a country code; `mapping` is key_letters → field and goes before
    everything that LUX guesses.
    """
    return _Search(dict(item), region, mapping).person()


class _Search:
    def __init__(self, item: dict[str, Any], region: str, mapping: Mapping[str, str]) -> None:
        self.root = _Node(opened(item), mapping)
        self.region = region
        self.mapping = mapping
        self.taken: set[tuple[int, str]] = set()
        self.nodes = list(self._all_nodes())

    def person(self) -> Person:
        person = Person()
        home, addresses = self._home()
        if home is None:
            person.warnings.append("email_missing_or_invalid")
            return person
        person.email, person.other_emails = addresses[0], addresses[1 : MOST_OTHER_ADDRESSES + 1]
        around = self._around(home)
        person.name = self._name(home)
        phone = self._phone(around)
        if phone:
            person.phone, person.phone_raw = phone.e164, phone.raw
            if phone.e164 is None:
                person.warnings.append("phone_invalid")
        person.source, person.form = self._source([home, *home.ancestors(), *around])
        person.attributes = self._attributes(home, around)
        return person

    def _all_nodes(self) -> Iterator[_Node]:
        """Every object that is not somebody else's, shallowest first."""
        queue = deque([self.root])
        while queue:
            node = queue.popleft()
            yield node
            queue.extend(node.children)

    # ── the e-mail ──

    def _home(self) -> tuple[_Node | None, list[str]]:
        """The object that holds the contact's address, and the addresses: the contact's own first."""
        for is_mapped in (True, False) if self.mapping else (False,):
            for node in self.nodes:
                addresses = self._addresses_in(node, is_mapped=is_mapped)
                if addresses:
                    around = [node, *node.own_children] if is_mapped else node.own_children
                    everywhere = [addresses, *(self._addresses_in(one) for one in around)]
                    return node, list(dict.fromkeys(address for found in everywhere for address in found))
        return self._only_address()

    def _addresses_in(self, node: _Node, *, is_mapped: bool = False) -> list[str]:
        """The addresses under a node's keys for them; only those that the owner has mapped, if so asked."""
        keys = [key for key in node.keys_of("email") if not is_mapped or self.mapping.get(key_letters(key)) == "email"]
        found: list[str] = []
        for key in sorted(keys, key=lambda key: not is_certain_email(key)):
            addresses = [address for text in texts_of(node.content[key]) for address in read_addresses(text)]
            if addresses:
                self._take(node, key)
                found.extend(addresses)
        return found

    def _only_address(self) -> tuple[_Node | None, list[str]]:
        """Some forms name their fields by number: the one address of the whole item is then the contact's."""
        found: dict[str, tuple[_Node, str]] = {}
        for node in self.nodes:
            for key, value in node.content.items():
                if is_stranger(key) or key_letters(key) in _FREE_TEXT or self.mapping.get(key_letters(key)) == "ignore":
                    continue
                for text in texts_of(value) if not isinstance(value, dict) else []:
                    for address in read_addresses(text):
                        found.setdefault(address, (node, key))
        if len(found) != 1:
            return None, []
        address, (node, key) = next(iter(found.items()))
        self._take(node, key)
        return node, [address]

    # ── the name ──

    def _name(self, home: _Node) -> str | None:
        name = self._name_in(home, is_bare_name_good=True)
        if name:
            return name
        for child in home.own_children:
            name = self._name_in(child, is_bare_name_good=key_letters(child.key) in PERSON_STEPS)
            if name:
                return name
        step = home
        for ancestor in home.ancestors():
            is_envelope = key_letters(step.key) in ENVELOPE_STEPS or any(
                key_letters(key) in ENVELOPE_KEYS for key in ancestor.content
            )
            name = self._name_in(ancestor, is_bare_name_good=not is_envelope and not step.in_list)
            if name:
                return name
            for child in ancestor.own_children:
                if child.content is not step.content and key_letters(child.key) in PERSON_STEPS and not child.in_list:
                    name = self._name_in(child, is_bare_name_good=False)
                    if name:
                        return name
            step = ancestor
        return None

    def _name_in(self, node: _Node, *, is_bare_name_good: bool) -> str | None:
        for key in node.keys_of("full_name"):
            name = self._written_name(node, key)
            if name:
                return name
        parts = [self._first_text(node, node.keys_of(kind)) for kind in ("first_name", "last_name")]
        if all(parts):
            return _joined_name(parts)
        for key in node.keys_of("name"):
            if is_bare_name_good or _is_name_of_parts(node.content[key], self.mapping):
                name = self._written_name(node, key)
                if name:
                    return name if " " in name or not parts[1] else _joined_name([name, parts[1]])
        return _joined_name(parts)

    def _written_name(self, node: _Node, key: str) -> str | None:
        value = node.content[key]
        name = None
        if isinstance(value, dict):
            inner = _Node(value, self.mapping, key, node)
            name = self._name_in(inner, is_bare_name_good=True) or plain_text(value.get("value"), LONGEST_NAME)
        else:
            name = next((text for text in (plain_text(text, LONGEST_NAME) for text in texts_of(value)) if text), None)
        if name and not read_addresses(name):
            self._take(node, key)
            return name
        return None

    def _first_text(self, node: _Node, keys: list[str]) -> str | None:
        for key in keys:
            text = next(
                (text for text in (plain_text(text, LONGEST_NAME) for text in texts_of(node.content[key])) if text),
                None,
            )
            if text:
                self._take(node, key)
                return text
        return None

    # ── phone and source ──

    def _phone(self, nodes: list[_Node]) -> Phone | None:
        unreadable: tuple[Phone, _Node, str] | None = None
        for node in nodes:
            for key in node.keys_of("phone"):
                for text in numbers_of(node.content[key]):
                    phone = read_phone(present(text) if isinstance(text, str) else text, self.region)
                    if phone and phone.e164:
                        self._take(node, key)
                        return phone
                    if phone and unreadable is None:
                        unreadable = (phone, node, key)
        if unreadable is None:
            return None
        self._take(unreadable[1], unreadable[2])
        return unreadable[0]

    def _source(self, nodes: list[_Node]) -> tuple[str | None, str | None]:
        """Source and form. A form's name that was sent as a field is the source where there is no other."""
        source = self._first_of("source", nodes)
        form_field = self._first_of("form", nodes)
        form = form_field or self._title_of_form()
        return source or form_field, form

    def _first_of(self, wanted: str, nodes: list[_Node]) -> str | None:
        for node in nodes:
            for key in node.keys_of(wanted):
                value = node.content[key]
                if isinstance(value, dict):
                    value = value.get("name") or value.get("title") or value.get("value")
                text = next(
                    (text for text in (plain_text(text, LONGEST_SOURCE) for text in texts_of(value)) if text), None
                )
                if text:
                    self._take(node, key)
                    return text
        return None

    def _title_of_form(self) -> str | None:
        for node in self.nodes[:10]:
            definition = node.content.get("definition")
            if isinstance(definition, dict) and plain_text(definition.get("title"), LONGEST_SOURCE):
                return plain_text(definition.get("title"), LONGEST_SOURCE)
            if "formId" in node.content and isinstance(node.content.get("data"), dict):  # Webflow
                self._take(node, "name")
                return plain_text(node.content.get("name"), LONGEST_SOURCE)
        return None

    # ── what is left over ──

    def _around(self, home: _Node) -> list[_Node]:
        """The object itself, what is below it, its ancestors, and what hangs directly below those."""
        nodes = [home, *self._below(home)]
        step = home
        for ancestor in home.ancestors():
            nodes.append(ancestor)
            if not step.in_list:
                nodes.extend(child for child in ancestor.own_children if child.content is not step.content)
            step = ancestor
        return nodes

    def _below(self, node: _Node) -> Iterator[_Node]:
        for child in node.own_children:
            yield child
            yield from self._below(child)

    def _attributes(self, home: _Node, around: list[_Node]) -> dict[str, Any]:
        attributes: dict[str, Any] = {}
        above = {id(ancestor.content) for ancestor in home.ancestors()}
        for node in around:
            path = [] if node.content is home.content or id(node.content) in above else _path(node, home)
            ignored = node.keys_of("ignore")
            for key, value in node.content.items():
                if (
                    (id(node.content), key) in self.taken
                    or is_stranger(key)
                    or is_secret(key)
                    or isinstance(value, dict)
                    or key in ignored
                ):
                    continue
                kept = attribute_value(value)
                name = cut(one_line(".".join([*path, key])), 100)
                if kept is not None and name and name not in attributes and len(attributes) < MOST_ATTRIBUTES:
                    attributes[name] = kept
        return attributes

    def _take(self, node: _Node, key: str) -> None:
        self.taken.add((id(node.content), key))
        value = node.content.get(key)
        if isinstance(value, dict):
            self.taken.update((id(value), inner) for inner in value)


def _path(node: _Node, home: _Node) -> list[str]:
    """The keys from home's level down to a node; a form's own container says nothing and is left out."""
    above = {id(ancestor.content) for ancestor in [home, *home.ancestors()]}
    keys: list[str] = []
    step: _Node | None = node
    while step is not None and id(step.content) not in above:
        if key_letters(step.key) not in PERSON_STEPS:
            keys.append(step.key)
        step = step.parent
    return keys[::-1]


def _is_name_of_parts(value: Any, mapping: Mapping[str, str]) -> bool:
    """`name: {first, last}` is a person's, whatever stands around it."""
    return isinstance(value, dict) and any(mapped_field(key, mapping) in ("first_name", "last_name") for key in value)


def _joined_name(parts: list[str | None]) -> str | None:
    return cut(" ".join(part for part in parts if part), LONGEST_NAME) or None
