"""Settings › Audit trail: who did what, when, from where; as a page and as CSV."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import peer
from accounts.audit import (
    DAYS,
    LONGEST_SEARCH,
    PAGE_SIZE,
    AuditFilter,
    detail_text,
    kind_of,
    list_actors,
    list_entries,
    list_kinds,
    note_audit_export,
    stream_entries,
)
from config import current_settings
from lib.clean_text import one_line
from lib.row_ids import read_id

page = Blueprint("audit", __name__)

# Words for actions whose name, said as it stands, would say too little.
WORDS = {
    "sign_in": "Signed in",
    "sign_in_failed": "Sign-in failed",
    "signed_out": "Signed out",
    "second_factor_on": "Second factor turned on",
    "second_factor_off": "Second factor turned off",
    "second_factor_reset": "Second factor taken away",
    "second_factor_failed": "Wrong code at sign-in",
    "session_ended": "Browser signed out",
    "owner_made": "Became the owner",
    "user_changed": "Role or state changed",
    "password_reset_asked": "Password reset asked for",
    "password_reset": "Password chosen anew by mail",
    "new_address_asked": "New address asked for",
    "audit_exported": "Audit trail exported",
    "replit_sign_in_refused": "Sign-in with Replit refused",
    "replit_session_ended": "Sign-in taken back by Replit",
    "replit_account_made": "Came from Replit for the first time",
    "replit_linked": "Replit linked",
    "replit_unlinked": "Replit unlinked",
    "session_secret_first_used": "New SESSION_SECRET in use",
}
KIND_STATUS = dict.fromkeys(
    ("sign_in_failed", "second_factor_failed", "user_refused", "user_deleted", "replit_sign_in_refused"), "warn"
)


@page.app_template_global("audit_words")
def audit_words(action: str) -> str:
    """What happened, in words."""
    return WORDS.get(action) or action.replace("_", " ").capitalize()


@page.app_template_global("audit_time")
def audit_time(at: datetime) -> str:
    """A moment as people of the house read it, to the second."""
    local = at.astimezone(ZoneInfo(current_settings().timezone))
    return f"{local.day} {local:%b %Y, %H:%M:%S}"


page.add_app_template_global(detail_text, "audit_detail")


@page.get("/")
def index() -> str:
    """The newest entries; filters and place are in the address."""
    wanted = read_filter(request.args)
    rows = list_entries(wanted, limit=PAGE_SIZE + 1)
    shown = rows[:PAGE_SIZE]
    kept = _arguments(wanted)
    return render_template(
        "settings/audit.html",
        rows=shown,
        wanted=wanted,
        kept=kept,
        kind_of=kind_of,
        warns=KIND_STATUS,
        kinds=[("", "Everything"), *list_kinds()],
        actors=[("", "Anybody"), *((str(user_id), name) for user_id, name in list_actors())],
        spans=[("", "Any time"), *((str(days), words) for days, words in DAYS.items())],
        next_url=url_for("audit.index", **kept, before=shown[-1].id) if len(rows) > PAGE_SIZE else None,
        first_url=url_for("audit.index", **kept) if wanted.before else None,
    )


@page.post("/export")
def export() -> ResponseReturnValue:
    """The entries that the filter means, as CSV; that too is written down."""
    wanted = read_filter(request.form)
    note_audit_export(current_user, peer=peer(), filters=_arguments(wanted))
    headers = {"Content-Disposition": "attachment; filename=audit-trail.csv"}
    return Response(stream_entries(wanted), mimetype="text/csv", headers=headers)


def read_filter(arguments: Mapping[str, str]) -> AuditFilter:
    """The filter that an address or a form holds; what makes no sense counts as not given."""
    kind, days = arguments.get("kind", ""), arguments.get("days", "")
    return AuditFilter(
        kind=kind if kind in dict(list_kinds()) else "",
        user_id=read_id(arguments.get("user")),
        days=int(days) if days in map(str, DAYS) else None,
        text=one_line(arguments.get("q", ""))[:LONGEST_SEARCH],
        before=read_id(arguments.get("before")),
    )


def _arguments(wanted: AuditFilter) -> dict[str, Any]:
    values = {
        "q": wanted.text,
        "kind": wanted.kind,
        "user": str(wanted.user_id or ""),
        "days": str(wanted.days or ""),
    }
    return {name: value for name, value in values.items() if value}
