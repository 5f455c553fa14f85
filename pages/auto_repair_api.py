"""Repair as operators call it: start a run over one error or all of them, and clear what was resolved."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from auto_repair_service import Actor, clear, start_repair
from errors import InputInvalid
from lib.row_ids import LARGEST

page = Blueprint("auto_repair_api", __name__)

LONGEST_HOURS = 24 * 366


@page.post("/start")
def start() -> ResponseReturnValue:
    """Diagnoses, repairs what may be repaired by itself, and reports with its proof."""
    body = read_body()
    wrong: dict[str, str] = {}
    error_id, is_dry_run = body.get("error_id"), body.get("dry_run", False)
    if error_id is not None and not (is_whole(error_id) and 0 < error_id <= LARGEST):
        wrong["error_id"] = "error_id must be the whole number of an error, such as 5."
    if not isinstance(is_dry_run, bool):
        wrong["dry_run"] = "dry_run must be true or false."
    expect_right(wrong, set(body) - {"error_id", "dry_run"})
    report = start_repair(actor=caller(), error_id=error_id, is_dry_run=is_dry_run)
    return jsonify(report.as_row())


@page.post("/clear")
def clear_resolved() -> ResponseReturnValue:
    """Drops the samples of errors that were resolved longer ago than that; groups, counts and receipts stay."""
    body = read_body()
    hours = body.get("older_than_hours", 24)
    is_number = isinstance(hours, int | float) and not isinstance(hours, bool)
    wrong = {}
    if not is_number or not 0 <= hours <= LONGEST_HOURS:
        wrong["older_than_hours"] = f"older_than_hours must be a number from 0 to {LONGEST_HOURS}."
    expect_right(wrong, set(body) - {"older_than_hours"})
    return jsonify({"cleared": clear(float(hours))})


def read_body() -> dict[str, Any]:
    """The JSON object that came; nothing at all counts as {}. Raises InputInvalid."""
    if not request.get_data(cache=True).strip():
        return {}
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise InputInvalid({"body": "The body must be one JSON object, such as {}."})
    return body


def expect_right(wrong: dict[str, str], unknown: set[str]) -> None:
    """Raises InputInvalid when a field is wrong or unknown: a misspelt error_id must not start a run over all."""
    wrong |= {name[:60]: f"{name[:60]} is no field of this call." for name in sorted(unknown)[:10]}
    if wrong:
        raise InputInvalid(wrong)


def is_whole(value: object) -> bool:
    """Whether JSON holds a whole number there; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def caller() -> Actor:
    """Who calls: the person signed in, else a program."""
    if current_user.is_authenticated:
        return Actor(current_user.name, current_user.id, "api")
    return Actor("an operator's program", None, "api", is_person=False)
