"""The diagnostics that operators curl: errors with filters and a cursor, and health."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Blueprint, current_app, jsonify, request
from flask.typing import ResponseReturnValue

from access import is_operator_call
from diagnostics.base import FAIL, as_json
from diagnostics.health import check_health
from error_groups import ErrorFilter, list_errors
from errors import InputInvalid
from lib.release import VERSION, release_name

page = Blueprint("diagnostics_api", __name__)

SEVERITIES = ("error", "warning", "critical")


@page.get("/errors")
def errors() -> ResponseReturnValue:
    """The newest errors of the last hours, 20 unless told."""
    found = list_errors(read_filter(request.args.to_dict()))
    return jsonify(
        {
            "errors": [error.as_json() for error in found.errors],
            "count": len(found.errors),
            "total": found.total,
            "next_cursor": found.next_cursor,
        }
    )


@page.get("/health")
def health() -> ResponseReturnValue:
    """All checks for operators, for everybody else the state alone; 503 when something fails."""
    found = check_health()
    body: dict[str, Any] = {"status": found.status}
    if is_operator_call():
        body["version"] = VERSION
        body["releaseId"] = release_name(Path(current_app.root_path))
        body["checks"] = {check.key: [{"componentId": check.key, **as_json(one)}] for check, one in found.findings}
    answer = jsonify(body)
    answer.mimetype = "application/health+json"
    answer.status_code = 503 if found.status == FAIL else 200
    return answer


def read_filter(arguments: dict[str, str]) -> ErrorFilter:
    """The filter from the address; raises InputInvalid, naming each argument that is wrong."""
    wrong: dict[str, str] = {}
    values: dict[str, Any] = {
        "hours": _number(arguments, "hours", 24.0, 0.01, 24 * 366, wrong),
        "limit": int(_number(arguments, "limit", 20, 1, 200, wrong)),
        "cursor": int(_number(arguments, "cursor", 0, 0, 2**62, wrong)) or None,
        "endpoint": arguments.get("endpoint") or None,
        "text": arguments.get("q") or None,
        "severity": arguments.get("severity") or None,
        "is_resolved": None,
    }
    if values["severity"] not in (None, *SEVERITIES):
        wrong["severity"] = f"severity must be {', '.join(SEVERITIES[:-1])} or {SEVERITIES[-1]}."
    resolved = (arguments.get("resolved") or "").lower()
    if resolved in ("true", "1", "yes", "false", "0", "no"):
        values["is_resolved"] = resolved in ("true", "1", "yes")
    elif resolved:
        wrong["resolved"] = "resolved must be true or false."
    if wrong:
        raise InputInvalid(wrong)
    return ErrorFilter(**values)


def _number(
    arguments: dict[str, str], name: str, default: float, least: float, most: float, wrong: dict[str, str]
) -> float:
    text = arguments.get(name)
    if text is None or text == "":
        return default
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        wrong[name] = f"{name} must be a number from {least:g} to {most:g}."
        return default
    return number
