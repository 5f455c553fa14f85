"""A result as a form that a person edits: every text that was written becomes a field, found by its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.base import Task
from agents.tasks.campaign.brief import EmailCampaign

LONG_TEXT = 60


@dataclass(frozen=True)
class EditField:
    """One text of a result: its place such as `pillars.0.title`, its label, and how many lines it takes."""

    name: str
    label: str
    value: str
    rows: int


def list_edit_fields(task: Task[Any, Any], result: Any) -> list[EditField]:
    """The texts of a result that a person may change."""
    body = result.model_dump(mode="json")
    found: list[EditField] = []
    for name in task.editable:
        _collect(body.get(name), name, _label(name), found)
    return found


def read_edit(task: Task[Any, Any], result: Any, form: Mapping[str, str]) -> dict[str, Any]:
    """The edit form as a result's body: what was emptied in a row of texts goes away."""
    if isinstance(result, EmailCampaign):
        return read_campaign_edit(result, form)
    body: dict[str, Any] = result.model_dump(mode="json")
    for name in task.editable:
        body[name] = _edited(body.get(name), name, form)
    return body


def read_campaign_edit(campaign: EmailCampaign, form: Mapping[str, str]) -> dict[str, Any]:
    """The same for an e-mail draft: a text that was emptied takes its block away."""
    body: dict[str, Any] = campaign.model_dump(mode="json")
    body["name"] = form.get("name", body["name"])
    body["preheader"] = form.get("preheader", body["preheader"])
    if "subjects" in form:
        body["subjects"] = [line.strip() for line in form["subjects"].splitlines() if line.strip()]
    chosen = form.get("chosen_subject", "")
    body["chosen_subject"] = int(chosen) - 1 if chosen.isdigit() and len(chosen) < 4 else body["chosen_subject"]
    body["chosen_subject"] = min(max(body["chosen_subject"], 0), max(len(body["subjects"]) - 1, 0))
    for at, block in enumerate(body["blocks"]):
        for name in ("text", "label", "url"):
            block[name] = form.get(f"blocks-{at}-{name}", block[name])
    body["blocks"] = [
        block
        for block in body["blocks"]
        if block["kind"] == "divider" or block["text"].strip() or block["label"].strip()
    ]
    return body


def _collect(value: Any, place: str, label: str, found: list[EditField]) -> None:
    if isinstance(value, Mapping):
        for name, one in value.items():
            _collect(one, f"{place}.{name}", f"{label}, {_label(name).lower()}", found)
    elif isinstance(value, list):
        for at, one in enumerate(value):
            _collect(one, f"{place}.{at}", f"{label} {at + 1}", found)
    elif isinstance(value, str):
        rows = 1 if len(value) <= LONG_TEXT and "\n" not in value else min(14, 2 + len(value) // LONG_TEXT)
        found.append(EditField(place, label, value, rows))


def _edited(value: Any, place: str, form: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _edited(one, f"{place}.{name}", form) for name, one in value.items()}
    if isinstance(value, list):
        edited = [_edited(one, f"{place}.{at}", form) for at, one in enumerate(value)]
        return [one for one in edited if not _is_empty(one)]
    return form.get(place, value) if isinstance(value, str) else value


def _is_empty(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip()
    if isinstance(value, Mapping):
        texts = [one for one in value.values() if isinstance(one, str)]
        return bool(texts) and not any(one.strip() for one in texts)
    return False


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()
