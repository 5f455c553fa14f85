"""Diagnostics › Diagnosis: what is wrong with this LUX now, and what a pasted log or traceback means."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from config import current_settings
from diagnosis.base import NOTHING_WRONG, UNKNOWN, Diagnosis, Signal, Surroundings
from diagnosis.deciding import diagnose
from diagnosis.excerpts import Excerpt, read_excerpt
from diagnosis.gathering import signals_of_system, surroundings
from diagnosis.opinion import add_opinion
from diagnosis.reading import signals_of_excerpt
from diagnosis.telling import texts_of
from diagnostics.health import check_health
from extensions import db
from lib.redaction import Redactor

page = Blueprint("diagnosis", __name__)

WORDS = {NOTHING_WRONG: ("success", "Nothing wrong"), UNKNOWN: ("neutral", "Unknown")}
TIERS = {"A": "LUX may do it by itself", "P": "at your click", "H": "by a person"}


@page.app_template_global("diagnosis_words")
def diagnosis_words(rule: str, confidence: float) -> tuple[str, str]:
    """Icon and word that say how a diagnosis stands."""
    return WORDS.get(rule) or (("danger", "Sure") if confidence >= 0.85 else ("warn", "Likely"))


@page.app_template_global("repair_tier")
def repair_tier(tier: str) -> str:
    """Who may carry a repair out."""
    return TIERS.get(tier, tier)


@page.get("/")
def index() -> str:
    """What is wrong now, by the rules: unresolved groups, the last minutes of the logs, health."""
    health = [(check.key, finding.status, finding.text) for check, finding in check_health().findings]
    signals = signals_of_system(health)
    found = diagnose(signals, surroundings())
    db.session.rollback()
    return _show(found, signals, is_system=True)


@page.post("/")
def read() -> ResponseReturnValue:
    """What a pasted text or a file means; nothing of it is kept."""
    upload = request.files.get("file")
    text = request.form.get("text", "")
    if upload is not None and upload.filename:
        excerpt = read_excerpt(upload.stream)  # type: ignore[arg-type]  # werkzeug's streams read as files do
        text = ""
    elif text.strip():
        excerpt = Excerpt.of_text(text)
    else:
        return _show([], [], errors={"text": "Paste a few lines of a log or a traceback, or choose a file."}), 422
    settings = current_settings()
    signals = signals_of_excerpt(excerpt, Redactor.knowing(settings.secrets()))
    found = add_opinion(diagnose(signals, Surroundings.of(settings)), signals)
    return _show(found, signals, text=text)


def _show(
    found: list[Diagnosis],
    signals: list[Signal],
    *,
    text: str = "",
    is_system: bool = False,
    errors: dict[str, str] | None = None,
) -> str:
    values: dict[str, Any] = {
        "found": found,
        "texts": texts_of(signals),
        "text": text,
        "is_system": is_system,
        "errors": errors or {},
    }
    return render_template("diagnostics/diagnosis.html", **values)
