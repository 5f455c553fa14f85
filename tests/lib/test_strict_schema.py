"""The strict dialect of JSON Schema."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, StringConstraints

from lib.strict_schema import make_strict_schema


class Inner(BaseModel):
    title: Annotated[str, StringConstraints(max_length=5)] = ""
    kind: Literal["a", "b"]


class Outer(BaseModel):
    pattern: str
    inner: list[Inner]


def test_every_field_is_required_and_nothing_else_allowed() -> None:
    schema = make_strict_schema(Outer)
    assert schema["required"] == ["pattern", "inner"]
    assert schema["$defs"]["Inner"] == {
        "type": "object",
        "properties": {"title": {"type": "string"}, "kind": {"enum": ["a", "b"], "type": "string"}},
        "required": ["title", "kind"],
        "additionalProperties": False,
        **(
            {"description": schema["$defs"]["Inner"]["description"]}
            if "description" in schema["$defs"]["Inner"]
            else {}
        ),
    }


def test_a_field_named_like_a_keyword_stays() -> None:
    assert "pattern" in make_strict_schema(Outer)["properties"]
