"""The body of a request, whatever its type, read into items: dicts of cleaned values within fixed limits."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from lib.clean_text import clean_text, decode_bytes, key_letters
from lib.form_fields import is_form_field

MOST_BYTES = 256 * 1024
DEEPEST = 12
MOST_KEYS = 500
MOST_ITEMS = 100
LONGEST_STRING = 1_000
LONGEST_KEY = 200

# Types of the application family whose bytes carry fields; anything of text/ but markup and tables does, too.
FIELD_TYPES = re.compile(
    r"application/(?:json|x-json|javascript|octet-stream|x-www-form-urlencoded|[\w.+-]+\+json|x-?ndjson|jsonl?)"
)
LIKE_A_FORM = re.compile(r"[^\s<>{}\"'=&]{1,200}=")
MARKUP_TYPES = frozenset({"text/xml", "text/html", "text/csv", "text/css", "text/calendar", "text/vcard"})

# An envelope's key whose list holds one person per item.
BATCH_KEYS = frozenset(
    {"contacts", "contact", "items", "data", "records", "results", "rows", "leads", "people", "persons", "subscribers",
     "entries", "submissions", "body", "payload", "members", "customers", "users", "events", "responses"}
)  # fmt: skip


class PayloadUnreadable(ValueError):
    """The bytes carry no fields. `reason` is a word for programs, the text a sentence for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class TypeUnsupported(PayloadUnreadable):
    """The content type or encoding cannot carry fields that LUX reads."""


@dataclass
class Payload:
    """What a body holds. `is_batch` is true when the sender meant several items, even if it sent one."""

    items: list[dict[str, Any]]
    is_batch: bool = False
    warnings: list[str] = field(default_factory=list)


def read_payload(body: bytes, content_type: str = "", content_encoding: str = "") -> Payload:
    """Reads JSON, a form or multipart, also where the type says otherwise.

    Raises PayloadUnreadable or TypeUnsupported and nothing else.
    """
    kind, options = _type_of(content_type)
    _check_type(kind, content_encoding)
    if len(body) > MOST_BYTES:
        raise PayloadUnreadable("too_large", f"The body is larger than {MOST_BYTES // 1024} KiB.")
    if kind == "multipart/form-data" and body.lstrip()[:1] not in (b"{", b"["):
        tree: Any = _from_pairs(_multipart_pairs(body, options.get("boundary", "")))
    else:
        tree = _from_text(decode_bytes(body, options.get("charset")), kind)
    return _items(_Cleaner().clean(tree))


def check_type(content_type: str, content_encoding: str = "") -> None:
    """Raises TypeUnsupported for a type that carries no fields."""
    _check_type(_type_of(content_type)[0], content_encoding)


def unflattened(item: dict[str, Any]) -> dict[str, Any]:
    """Nested objects from the flat keys that Zapier, n8n, PHP and form builders send: `a__b`, `a.b`, `a[0]`, `a[b]`."""
    if not any("__" in key or "." in key or "[" in key for key in item):
        return item
    tree: dict[str, Any] = {}
    for key, value in item.items():
        steps = _steps(key)
        if len(steps) > 1 and steps[-1] == "":  # `tags[]`: what repeats is one list already
            steps, value = steps[:-1], value if isinstance(value, list) else [value]
        if not _put(tree, steps, value):
            _add(tree, key, value)
    return {key: _listed(value) for key, value in tree.items()}


def _type_of(content_type: str) -> tuple[str, dict[str, str]]:
    kind, options = parse_options_header(content_type)
    return kind.strip().lower(), options


def _check_type(kind: str, content_encoding: str) -> None:
    if content_encoding.strip().lower() not in ("", "identity"):
        raise TypeUnsupported("unsupported_encoding", "Send the body without a Content-Encoding.")
    is_text = kind.startswith("text/") and kind not in MARKUP_TYPES
    if not (kind in ("", "*/*", "multipart/form-data") or is_text or FIELD_TYPES.fullmatch(kind)):
        raise TypeUnsupported("unsupported_type", "Send JSON, a form or multipart/form-data.")


def _from_text(text: str, kind: str) -> Any:
    bare = text.strip().strip("\ufeff\u200b\x00").strip()
    if not bare:
        raise PayloadUnreadable("unparseable", "The body is empty.")
    is_form = kind.endswith("urlencoded") or LIKE_A_FORM.match(bare)
    if bare[0] in '{["' or not is_form:
        return _from_json(bare)
    pairs = list(_form_pairs(bare))
    only_key = pairs[0][0].strip() if len(pairs) == 1 and not pairs[0][1].strip() else ""
    return _from_json(only_key) if only_key[:1] in ("{", "[") else _from_pairs(pairs)


def _from_json(text: str) -> Any:
    tree: Any = text
    for _ in range(3):  # a JSON string inside JSON, as some senders encode twice
        if not isinstance(tree, str):
            break
        try:
            tree = json.loads(tree, strict=False, object_pairs_hook=_joined_pairs)
        except RecursionError as error:
            raise PayloadUnreadable("unparseable", f"The JSON is nested deeper than {DEEPEST} levels.") from error
        except ValueError as error:
            raise PayloadUnreadable("unparseable", f"The JSON cannot be read: {_complaint(error)}.") from error
    if not isinstance(tree, dict | list):
        raise PayloadUnreadable("unparseable", "The body holds one value and no fields.")
    return tree


def _complaint(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.lower()} at line {error.lineno}, column {error.colno}"
    return "a number is too long"


def _joined_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of a key that stands twice both values are kept."""
    joined = dict(pairs)
    return joined if len(joined) == len(pairs) else _from_pairs(pairs)


def _from_pairs(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    joined: dict[str, Any] = {}
    for key, value in pairs:
        _add(joined, key, value)
    return joined


def _add(target: dict[str, Any], key: str, value: Any) -> None:
    if key not in target:
        target[key] = value
    elif isinstance(target[key], list):
        target[key] = [*target[key], *(value if isinstance(value, list) else [value])][: MOST_ITEMS + 1]
    elif target[key] in ("", None):
        target[key] = value
    elif value not in ("", None):
        target[key] = [target[key], *(value if isinstance(value, list) else [value])]


def _form_pairs(text: str) -> Iterator[tuple[str, str]]:
    pieces = text.split("&", MOST_KEYS + 1)
    if len(pieces) > MOST_KEYS:
        raise PayloadUnreadable("too_many_keys", f"The form has more than {MOST_KEYS} fields.")
    for piece in pieces:
        key, _, value = piece.strip("\r\n").partition("=")
        if key:
            yield _unquoted(key), _unquoted(value)


def _unquoted(text: str) -> str:
    text = text.replace("+", " ")
    if "%" not in text:
        return text
    return decode_bytes(unquote_to_bytes(text.encode("utf-8", "surrogatepass")))


def _multipart_pairs(body: bytes, boundary: str) -> list[tuple[str, str]]:
    if not boundary or len(boundary) > 200:
        raise PayloadUnreadable("unparseable", "The multipart body names no boundary.")
    pairs: list[tuple[str, str]] = []
    try:
        decoder = MultipartDecoder(boundary.encode(), max_parts=MOST_KEYS)
        decoder.receive_data(body)
        decoder.receive_data(None)
        part: Field | File | None = None
        held: list[bytes] = []
        while not isinstance(event := decoder.next_event(), Epilogue | NeedData):
            if isinstance(event, Field | File):
                part, held = event, []
            elif isinstance(event, Data):
                held.append(event.data)
                if not event.more_data and isinstance(part, Field) and part.name:
                    pairs.append((part.name, decode_bytes(b"".join(held))))
    except RequestEntityTooLarge as error:
        raise PayloadUnreadable("too_many_keys", f"The form has more than {MOST_KEYS} fields.") from error
    except (
        ValueError,
        AttributeError,
        TypeError,
        LookupError,
    ) as error:  # what the decoder lets through on broken parts
        raise PayloadUnreadable("unparseable", "The multipart body cannot be read.") from error
    return pairs


class _Cleaner:
    """Walks a tree once: counts keys, holds the depth, cleans and cuts text, opens JSON that stands inside a field."""

    def __init__(self) -> None:
        self.keys = 0
        self.warnings: list[str] = []

    def clean(self, tree: Any) -> tuple[Any, list[str]]:
        return self._value(tree, 1), self.warnings

    def _value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._text(value, depth)
        if isinstance(value, dict | list):
            if depth > DEEPEST:
                raise PayloadUnreadable("unparseable", f"The body is nested deeper than {DEEPEST} levels.")
            return self._object(value, depth) if isinstance(value, dict) else self._list(value, depth)
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**18:
            return str(value)[:LONGEST_STRING]  # jsonb would keep it; a browser's number would not
        return value

    def _object(self, value: Mapping[str, Any], depth: int) -> dict[str, Any]:
        self.keys += len(value)
        if self.keys > MOST_KEYS:
            raise PayloadUnreadable("too_many_keys", f"One item of the body has more than {MOST_KEYS} keys.")
        named: dict[str, Any] = {}
        for key, item in value.items():
            _add(named, clean_text(key).strip()[:LONGEST_KEY], item)
        return {key: self._value(item, depth + 1) for key, item in unflattened(named).items()}

    def _list(self, value: list[Any], depth: int) -> list[Any]:
        if len(value) > MOST_ITEMS:
            if depth == 1 or any(isinstance(item, dict | list) for item in value):
                raise PayloadUnreadable("too_many_items", f"The body has a list of more than {MOST_ITEMS} items.")
            self._warn("list_cut")
        cleaned = []
        for item in value[:MOST_ITEMS]:
            if depth <= 2:
                self.keys = 0  # the limit is one person's; a batch has one per item
            cleaned.append(self._value(item, depth + 1))
        return cleaned

    def _warn(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)

    def _text(self, text: str, depth: int) -> Any:
        text = clean_text(text)
        bare = text.strip()
        if bare[:1] in ("{", "[") and bare[-1:] in ("}", "]") and bare[:2] != "{{":
            try:
                inner = json.loads(bare, strict=False, object_pairs_hook=_joined_pairs)
            except (ValueError, RecursionError):
                inner = None
            if isinstance(inner, dict) or (isinstance(inner, list) and any(isinstance(item, dict) for item in inner)):
                return self._value(inner, depth)
        if len(text) > LONGEST_STRING:
            self._warn("text_cut")
            return text[:LONGEST_STRING]
        return text


def _items(cleaned: tuple[Any, list[str]]) -> Payload:
    tree, warnings = cleaned
    if isinstance(tree, dict):
        batch = _batch(tree)
        return Payload(batch, is_batch=True, warnings=warnings) if batch else Payload([tree], warnings=warnings)
    objects = [item for item in tree if isinstance(item, dict)]
    if objects and all(is_form_field(item) for item in objects):
        return Payload([{"fields": objects}], warnings=warnings)
    if not objects:
        return Payload([{"values": tree}], warnings=warnings)
    return Payload(objects, is_batch=len(objects) > 1, warnings=warnings)


def _batch(tree: dict[str, Any]) -> list[dict[str, Any]]:
    """One item per person where an envelope carries a list of people; each keeps what stands beside the list."""
    for key, value in tree.items():
        if key_letters(key) not in BATCH_KEYS or not isinstance(value, list) or len(value) < 2:
            continue
        if all(isinstance(item, dict) and not is_form_field(item) and _has_own_email(item) for item in value):
            beside = {name: thing for name, thing in tree.items() if name != key}
            return [{key: item, **beside} for item in value]
    return []


def _has_own_email(item: Mapping[str, Any]) -> bool:
    return any("mail" in key_letters(key) and isinstance(value, str) and "@" in value for key, value in item.items())


def _steps(key: str) -> list[str]:
    """The path that a flat key spells: `data__email`, `contact.email`, `tags[0]`, `contact[name][first]`, `tags[]`."""
    match = re.fullmatch(r"([^\[\]]+)((?:\[[^\[\]]*\])+)", key)
    head, brackets = (match[1], re.findall(r"\[([^\[\]]*)\]", match[2])) if match else (key, [])
    steps = head.split("__") if "__" in head else [head]
    if any(not step for step in steps):
        steps = [head]
    dotted: list[str] = []
    for step in steps:
        pieces = step.split(".")
        is_path = all(pieces) and not any(piece != piece.strip() for piece in pieces) and "@" not in step
        dotted.extend(pieces if is_path else [step])
    return [*dotted, *brackets] if len(dotted) + len(brackets) <= DEEPEST else [key]


def _put(tree: dict[str, Any], steps: list[str], value: Any) -> bool:
    """Puts the value at the path; false where something else already stands in the way."""
    node = tree
    for step in steps[:-1]:
        inner = node.get(step)
        if inner is None:
            inner = node[step] = _Branch()
        if not isinstance(inner, dict):
            return False
        node = inner
    last = steps[-1]
    if isinstance(node.get(last), _Branch):  # `a.b=1&a=2`: the shorter key is the branch's own value
        return _put(node, [last, "value"], value)
    if last in node:
        return False
    node[last] = value
    return True


class _Branch(dict[str, Any]):
    """An object made from flat keys; one whose keys all are numbers becomes a list."""


def _listed(value: Any) -> Any:
    if not isinstance(value, _Branch):
        return value
    items = {key: _listed(item) for key, item in value.items()}
    if all(re.fullmatch(r"[0-9]{1,4}", key) for key in items):
        return [items[key] for key in sorted(items, key=int)][:MOST_ITEMS]
    return items
