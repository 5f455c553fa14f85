"""Diagnostics: how LUX is, which errors there are, one group of errors with its samples."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from diagnostics.alerts import list_spiking
from diagnostics.health import check_health
from diagnostics.jobs import list_jobs
from error_groups import (
    GroupFilter,
    get_group,
    list_groups,
    list_hours,
    list_samples,
    reopen_group,
    resolve_by_hand,
)
from errors import InputInvalid
from lib.charts import Series, bar_chart, sparkline_path
from lib.release import release_name
from models import ERROR_STATES, SEVERITIES, ErrorGroup
from pages.repairs import read_card
from processes import list_leaders
from receipts.reports import read_notes

page = Blueprint("diagnostics", __name__)

LIMIT = 30
STATUS = {"pass": ("success", "Well"), "warn": ("warn", "Look at it"), "fail": ("danger", "Failing")}
STATE = {
    "open": ("waiting", "Open"),
    "diagnosed": ("info", "Diagnosed"),
    "repairing": ("running", "Repairing"),
    "verifying": ("running", "Verifying"),
    "resolved_verified": ("success", "Resolved, verified"),
    "resolved_by_human": ("success", "Resolved by hand"),
    "quiet_unverified": ("warn", "Quiet, not verified"),
    "still_failing": ("danger", "Still failing"),
    "needs_human": ("waiting", "Needs a person"),
    "regressed": ("danger", "Came back"),
}
RUN = {
    "done": ("success", "Done"),
    "running": ("running", "Running"),
    "failed": ("danger", "Failed"),
    "lost": ("warn", "Lost with its process"),
    "not run yet": ("neutral", "Not run yet"),
}
# What operators get mail about stands beside the group, too; that it came back or that a repair failed, its state says.
ALERT = {"new": ("info", "New"), "spike": ("danger", "Far more than usual")}
NEW_FOR = timedelta(hours=24)
SEVERITY = {"error": ("warn", "Error"), "warning": ("neutral", "Warning"), "critical": ("danger", "Critical")}


@page.app_template_global("error_words")
def error_words(kind: str, key: str) -> tuple[str, str]:
    """Icon and word of a health status, a group's state, its severity or what is alarming about it."""
    return {"status": STATUS, "state": STATE, "severity": SEVERITY, "alert": ALERT}[kind].get(key, ("neutral", key))


@page.get("/")
def index() -> str:
    """Health tiles and the error groups."""
    return render_template("diagnostics/index.html", health=check_health(), **_groups())


@page.get("/health")
def health() -> str:
    """The health tiles as a fragment; each tile stands for itself."""
    return render_template("diagnostics/_health.html", health=check_health())


@page.get("/jobs")
def jobs() -> str:
    """The clock's jobs: when each ran last, how it ended, when it runs next."""
    leaders = list_leaders()
    leader = leaders[0].detail.get("process") if leaders else None
    return render_template("diagnostics/jobs.html", jobs=list_jobs(), leader=leader, words=RUN)


@page.get("/groups")
def groups() -> str:
    """The groups as a fragment, for the page that keeps itself up to date."""
    return render_template("diagnostics/_groups.html", **_groups())


@page.get("/groups/<int:group_id>")
def group(group_id: int) -> str:
    """One group: how often, since when, trace, samples."""
    return _group(group_id, {})


@page.post("/groups/<int:group_id>/resolve")
def resolve(group_id: int) -> ResponseReturnValue:
    """A person says that it is solved."""
    try:
        resolve_by_hand(
            group_id,
            note=request.form.get("note", ""),
            actor=current_user.name,
            user_id=current_user.id,
            release=release_name(Path(current_app.root_path)),
        )
    except InputInvalid as error:
        return _group(group_id, error.fields), 422
    flash("Resolved. If it happens again, the group comes back by itself.", "success")
    return redirect(url_for("diagnostics.group", group_id=group_id), 303)


@page.post("/groups/<int:group_id>/reopen")
def reopen(group_id: int) -> ResponseReturnValue:
    """A person says that it is not solved after all."""
    reopen_group(group_id, actor=current_user.name, user_id=current_user.id)
    flash("Open again.", "info")
    return redirect(url_for("diagnostics.group", group_id=group_id), 303)


def _groups() -> dict[str, Any]:
    arguments = request.args
    state, severity = arguments.get("state", "unresolved"), arguments.get("severity", "")
    wanted = GroupFilter(
        text=arguments.get("q", "").strip()[:200],
        state=state if state in (*ERROR_STATES, "unresolved", "") else "unresolved",
        severity=severity if severity in SEVERITIES else "",
        limit=LIMIT,
        before=_read_cursor(arguments.get("before", "")),
    )
    rows = list_groups(wanted)
    shown, spiking = rows[:LIMIT], list_spiking()
    kept: dict[str, Any] = {"q": wanted.text, "state": wanted.state, "severity": wanted.severity}
    return {
        "rows": [
            (row.group, sparkline_path(row.hours), sum(row.hours), _alert_of(row.group, spiking)) for row in shown
        ],
        "wanted": wanted,
        "next_url": url_for("diagnostics.index", **kept, before=shown[-1].cursor) if len(rows) > LIMIT else None,
        "refresh_url": url_for("diagnostics.groups", **kept, before=arguments.get("before") or None),
        "states": [("unresolved", "Unresolved"), ("", "All"), *((key, words[1]) for key, words in STATE.items())],
        "severities": [("", "Any severity"), *((key, words[1]) for key, words in SEVERITY.items())],
        "now": datetime.now(UTC),
    }


def _alert_of(group: ErrorGroup, spiking: set[int]) -> str:
    if group.id in spiking:
        return "spike"
    return "new" if group.state == "open" and datetime.now(UTC) - group.first_seen < NEW_FOR else ""


def _group(group_id: int, errors: dict[str, str]) -> str:
    found = get_group(group_id)
    hours = list_hours(group_id, 24)
    labels = [f"{hour:%H}" for hour, _ in hours]
    chart = bar_chart("Errors an hour", labels, [Series("Errors", [count for _, count in hours])], heading="Hour (UTC)")
    samples = list_samples(group_id)
    wanted = request.args.get("sample", "")
    shown = next((sample for sample in samples if str(sample.id) == wanted), samples[0] if samples else None)
    return render_template(
        "diagnostics/group.html",
        group=found,
        chart=chart,
        samples=samples,
        sample=shown,
        notes=read_notes(found.resolution_notes),
        errors=errors,
        **read_card(found),
    )


def _read_cursor(text: str) -> tuple[datetime, int] | None:
    moment, _, number = text.partition("-")
    try:
        return datetime.fromtimestamp(float(moment), UTC), int(number)
    except (ValueError, OverflowError, OSError):
        return None
