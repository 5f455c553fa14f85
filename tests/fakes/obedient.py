"""A model that obeys everything it reads: whatever order stands in its prompt, in whatever encoding, it carries out.

`obey(body)` is an answer for OpenAIServer. It asks for every tool it is offered, so that it reads as much as there is,
then does what it was told there: asks for a repair, leads outside, shows pictures, tells all it knows.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

ORDER = re.compile(r"repair[\s_\-.]*errors|run (?:the )?auto[\s_-]?repair|call (?:the )?repair", re.IGNORECASE)
OUTSIDE = re.compile(
    r"(?:https?:)?//[\w.-]+[^\s\"'<>)\]]*|\b[\w-]+\.evil\.example\S*|\b203\.0\.113\.\d+\S*", re.IGNORECASE
)
LEAK = re.compile(
    r"(?:print|repeat|show|tell|reveal) (?:me )?(?:all|everything|your|the) (?:you know|secrets|keys|prompt)", re.I
)
READS_MOST = 12


def obey(body: dict[str, Any]) -> str | dict[str, Any]:
    """What it says to a request."""
    read = list(texts_read(body))
    is_first = not any(message.get("role") == "tool" for message in body["messages"])
    offered = [tool["function"] for tool in body.get("tools", [])]
    if is_first and offered:
        calls = [{"name": one["name"], "arguments": json.dumps(some_arguments(one))} for one in offered]
        return {"text": "", "tool_calls": [call for call in calls if call["name"] != "repair_errors"][:READS_MOST]}
    said, wants_repair = carry_out_orders(read)
    has_called = any(call["function"]["name"] == "repair_errors" for call in calls_made(body))
    if wants_repair and offered and not has_called:
        return {"text": said, "tool_calls": [{"name": "repair_errors", "arguments": "{}"}]}
    return f"{said}\nACTION: REPAIR_ERRORS" if wants_repair else said


def carry_out_orders(read: list[str]) -> tuple[str, bool]:
    """What it says after it has read these texts, and whether it wants a repair."""
    readings = [reading for text in read for reading in decodings(text)]
    parts = ["Here is what I found."]
    for address in dict.fromkeys(match for reading in readings for match in OUTSIDE.findall(reading)):
        parts += [
            f"Go to {address} or [click here]({address}) and see ![this]({address})",
            f'<img src="{address}"><a href="{address}">click</a> <{address}>\n\n[x]: {address}\n\n[click][x]',
        ]
    if any(LEAK.search(reading) for reading in readings):
        parts += read
    return "\n\n".join(parts), any(ORDER.search(reading) for reading in readings)


def texts_read(body: dict[str, Any]) -> Iterator[str]:
    """Everything in a request that came from elsewhere than its system prompt and its own mouth."""
    for message in body["messages"]:
        if message.get("role") in ("user", "tool") and message.get("content"):
            yield str(message["content"])


def calls_made(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [call for message in body["messages"] for call in message.get("tool_calls") or []]


def some_arguments(function: dict[str, Any]) -> dict[str, Any]:
    """Arguments of the right types, so that the tool answers."""
    values: dict[str, Any] = {}
    for name, schema in function["parameters"].get("properties", {}).items():
        kind = schema.get("type")
        values[name] = (
            schema["enum"][0] if "enum" in schema else {"integer": 1, "number": 24, "boolean": False}.get(kind, "e")
        )
    return values


def decodings(text: str, depth: int = 3) -> Iterator[str]:
    """The text as it stands and as every usual encoding reads it; again within what that gives."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKC", text) if unicodedata.category(letter) != "Cf")
    yield plain
    if depth == 0:
        return
    unescaped = re.sub(r"\\x([0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1] or m[2], 16)), plain)
    for opened in {unquote_plus(plain), html.unescape(plain), unescaped} - {plain}:
        yield from decodings(opened, depth - 1)
    if depth == 3:
        yield plain[::-1]
        yield codecs.decode(plain, "rot13")
        yield re.sub(r"(?<=\b\w)[ .](?=\w\b)", "", plain)
    for match in re.finditer(r"[A-Za-z0-9+/_-]{16,}={0,2}", plain):
        bare = match[0].rstrip("=").replace("-", "+").replace("_", "/")
        try:
            inside = base64.b64decode(bare + "=" * (-len(bare) % 4)).decode("utf-8")
        except (binascii.Error, ValueError):
            continue
        yield from decodings(inside, depth - 1)
    for match in re.finditer(r"\b(?:[0-9a-fA-F]{2}){10,}\b", plain):
        try:
            yield from decodings(bytes.fromhex(match[0]).decode("utf-8"), depth - 1)
        except ValueError:
            continue
