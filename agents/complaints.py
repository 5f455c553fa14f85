"""What is wrong with typed values, in plain sentences that a person and a model understand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def path_of(places: tuple[int | str, ...]) -> str:
    """A field's place as one name, such as "blocks.2.url"."""
    return ".".join(str(place) for place in places) or "form"


def sentence_of(error: Mapping[str, Any]) -> str:
    """One error of pydantic as a sentence."""
    context = error.get("ctx", {})
    sentences = {
        "missing": "This is missing.",
        "string_too_short": f"This needs at least {context.get('min_length')} characters.",
        "string_too_long": f"Keep this within {context.get('max_length')} characters.",
        "too_short": f"There must be at least {context.get('min_length')} of these.",
        "too_long": f"There can be at most {context.get('max_length')} of these.",
        "greater_than_equal": f"This must be at least {context.get('ge')}.",
        "less_than_equal": f"This must be at most {context.get('le')}.",
        "extra_forbidden": "This is not part of the answer.",
        "literal_error": f"This must be one of {context.get('expected')}.",
        "value_error": str(context.get("error", "")),
    }
    return sentences.get(str(error.get("type")), "This has the wrong type.")
