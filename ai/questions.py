"""What a model is asked and what comes back: questions, answers, tools, and the ways in which a call fails."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from config import current_settings
from errors import ModelUnavailable
from lib.model_prices import price

CHARACTERS_PER_TOKEN = 3

Cause = Literal[
    "no_key", "budget", "circuit", "timeout", "network", "server", "rate", "quota", "key", "model", "request",
    "refused", "cut", "broken", "stopped", "lost",
]  # fmt: skip


class ModelFailed(ModelUnavailable):
    """A call gave no usable answer. `cause` is its kind; `is_spent` says whether the call itself was made."""

    def __init__(self, detail: str, cause: Cause, *, is_spent: bool = False) -> None:
        super().__init__(detail)
        self.cause = cause
        self.is_spent = is_spent


@dataclass(frozen=True)
class ToolCall:
    """A tool that the model wants called; `arguments` is what it wrote, JSON or not."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Question:
    """What the model is asked. With a `schema` (JSON Schema) the answer is JSON of that shape.

    `tools` are the functions that it may ask for, in OpenAI's form; the caller carries them out. `run_cap_usd` holds
    for all calls of the run, `area_cap_usd` for a day's calls whose purpose begins alike, up to its first dot.
    """

    purpose: str
    messages: Sequence[Mapping[str, Any]]
    schema: Mapping[str, Any] | None = None
    schema_name: str = "answer"
    longest_answer_tokens: int = 2000
    run_id: int | None = None
    turn_id: int | None = None
    tools: Sequence[Mapping[str, Any]] = ()
    temperature: float | None = None
    run_cap_usd: float | None = None
    area_cap_usd: float | None = None


@dataclass(frozen=True)
class Answer:
    """What came back, and what it took."""

    text: str
    model: str
    tokens_in: int
    tokens_out: int
    cost_usd: float
    seconds: float
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass
class Tally:
    """What one call has brought so far; written by its reader, read by its caller."""

    text: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    finish: str | None = None
    refusal: str = ""
    model: str = ""
    tool_calls: dict[int, dict[str, str]] = field(default_factory=dict)

    @property
    def has_begun(self) -> bool:
        return bool(self.text or self.tool_calls)

    def list_tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(ToolCall(**self.tool_calls[index]) for index in sorted(self.tool_calls))

    def size(self) -> int:
        """Bytes that came."""
        return len(self.text.encode()) + sum(len(one["arguments"].encode()) for one in self.tool_calls.values())


def estimate_cost_usd(question: Question, model: str | None = None) -> float:
    """The most that a call can cost: its text in, its longest answer out."""
    tokens_in = count_tokens_at_most(question)
    return price(model or current_settings().openai_model, tokens_in, question.longest_answer_tokens)


def count_tokens_at_most(question: Question) -> int:
    """No fewer tokens than the question has: UTF-8 bytes by three, which no tokenizer of today exceeds for prose."""
    size = sum(_size_of(message) + 12 for message in question.messages)
    if question.tools:
        size += len(json.dumps(list(question.tools)).encode())
    if question.schema is not None:
        size += len(json.dumps(question.schema).encode())
    return size // CHARACTERS_PER_TOKEN + 16


def _size_of(message: Mapping[str, Any]) -> int:
    """Bytes of a message: its words, and the calls of tools that it repeats."""
    calls = message.get("tool_calls")
    return len(str(message.get("content") or "").encode()) + (len(json.dumps(calls).encode()) if calls else 0)
