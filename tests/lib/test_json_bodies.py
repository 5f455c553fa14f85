"""Whatever a body holds, reading it as JSON gives a value or a ValueError."""

from __future__ import annotations

import pytest
from flask import Flask

from lib.json_bodies import JsonBodies


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 50_000, "[" * 100_000 + "]" * 100_000, "", "nope", "\x00"])
def test_what_cannot_be_read_is_a_value_error_however_deep(text: str) -> None:
    with pytest.raises(ValueError):
        JsonBodies(Flask("x")).loads(text)


def test_what_can_be_read_is_read() -> None:
    assert JsonBodies(Flask("x")).loads('{"a": [1, 2]}') == {"a": [1, 2]}
