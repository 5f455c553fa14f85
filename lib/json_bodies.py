"""JSON as requests bring it: nested too deeply, it is as unreadable as any other, and no fault of LUX."""

from __future__ import annotations

from typing import Any

from flask.json.provider import DefaultJSONProvider


class JsonBodies(DefaultJSONProvider):
    """Flask's own provider, whose loads() raises ValueError for every text that it cannot read."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        try:
            return super().loads(s, **kwargs)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
