"""A pydantic model as the strict JSON Schema that language models are held to: all fields required, nothing else."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

# What the strict dialect does not know; pydantic checks it when the answer is there.
_UNKNOWN = ("title", "default", "minLength", "maxLength", "pattern", "format", "minimum", "maximum", "examples")


def make_strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of the model in the strict dialect."""
    strict = _strict(model.model_json_schema())
    assert isinstance(strict, dict)  # noqa: S101 - a model's schema is an object
    return strict


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "properties" in node:
        node = {**node, "additionalProperties": False, "required": list(node["properties"])}
    # A field may be called like a keyword: names of fields are not touched.
    return {
        key: {name: _strict(inner) for name, inner in value.items()}
        if key in ("properties", "$defs")
        else _strict(value)
        for key, value in node.items()
        if key not in _UNKNOWN
    }
