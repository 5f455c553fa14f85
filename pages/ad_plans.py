"""Ad plans: the list, one plan with its budget, ads and audiences, the networks' files, and audiences as hashes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import has_role, peer
from audience.segments import list_segments
from creative.assets import list_assets
from errors import InputInvalid
from lib.clean_text import one_line
from lib.measured_texts import Measured, tell_measures
from lib.networks import AD_FORMATS, AdFormat, get_ad_format
from lib.row_ids import read_id
from models import AdPlan, PlannedAd
from planning.ad_audiences import SMALLEST, count_audiences, note_export, stream_audience
from planning.ad_files import list_files, write_file
from planning.ad_plans import (
    CURRENCIES,
    GOALS,
    PAGE_ROWS,
    AdFacts,
    PlanFacts,
    add_ad,
    add_plan,
    archive_plan,
    change_ad,
    change_audience,
    change_plan,
    count_days,
    delete_ad,
    delete_audience,
    get_ad,
    get_audience,
    get_plan,
    link_of,
    list_ad_problems,
    list_parts,
    list_plans,
    measure_ad,
    measure_texts,
)

page = Blueprint("ad_plans", __name__)


@dataclass(frozen=True)
class TextCounts:
    """What a format takes, in words, its typed lines counted, and what is said aloud of them."""

    limit: str
    lines: list[Measured]
    is_many: bool
    said: str


PART_ROWS = 6
MOST_PICTURES = 100


@page.app_template_global()
def money_words(cents: int, currency: str) -> str:
    """An amount as people read it."""
    return f"{cents / 100:,.2f} {currency}"


@page.app_template_global()
def ad_format_label(key: str) -> str:
    """The words of an ad format."""
    return get_ad_format(key).label


@page.get("/")
def index() -> str:
    """The plans, those last worked on first; search and filters are in the address."""
    q, goal = (one_line(request.args.get(name, ""))[:200] for name in ("q", "goal"))
    goal, is_archived = goal if goal in GOALS else "", request.args.get("archived") == "1"
    older = read_id(request.args.get("older"))
    after = get_plan(older) if older else None
    plans = list_plans(q=q, goal=goal, is_archived=is_archived, after=after, limit=PAGE_ROWS + 1)
    kept: dict[str, Any] = {"q": q or None, "goal": goal or None, "archived": "1" if is_archived else None}
    shown = plans[:PAGE_ROWS]
    return render_template(
        "ad_plans/index.html",
        plans=shown,
        older_url=url_for("ad_plans.index", **kept, older=shown[-1].id) if len(plans) > PAGE_ROWS else None,
        q=q,
        goal=goal,
        kept=kept,
        is_archived=is_archived,
        goals=GOALS,
        may_change=has_role("marketer"),
    )


@page.route("/new", methods=["GET", "POST"])
def add() -> ResponseReturnValue:
    """A new plan from its facts."""
    if request.method == "GET":
        return _show_form(None, {"currency": "USD", "goal": "contacts"}, {})
    try:
        plan = add_plan(_facts(), made_by=current_user.name, created_by_id=current_user.id)
    except InputInvalid as error:
        return _show_form(None, request.form, error.fields), 422
    flash("The plan is there. Now add its ads.", "success")
    return redirect(url_for("ad_plans.show", plan_id=plan.id), 303)


@page.get("/<int:plan_id>")
def show(plan_id: int) -> str:
    """A plan: its figures, its budget, its ads with their counts, its audiences with their sizes, its files."""
    return _show_plan(get_plan(plan_id), {})


@page.route("/<int:plan_id>/edit", methods=["GET", "POST"])
def edit(plan_id: int) -> ResponseReturnValue:
    """Changes what a plan is about."""
    plan = get_plan(plan_id)
    if request.method == "GET":
        return _show_form(plan, _values_of(plan), {})
    try:
        change_plan(plan_id, _facts())
    except InputInvalid as error:
        return _show_form(plan, request.form, error.fields), 422
    flash("Saved.", "success")
    return redirect(url_for("ad_plans.show", plan_id=plan_id), 303)


@page.post("/<int:plan_id>/archive")
def archive(plan_id: int) -> ResponseReturnValue:
    """Takes a plan out of the list."""
    archive_plan(plan_id)
    flash("The plan is archived.", "success")
    return redirect(url_for("ad_plans.index"), 303)


@page.post("/<int:plan_id>/restore")
def restore(plan_id: int) -> ResponseReturnValue:
    """Brings a plan back."""
    archive_plan(plan_id, is_archived=False)
    flash("The plan is back.", "success")
    return redirect(url_for("ad_plans.show", plan_id=plan_id), 303)


@page.get("/<int:plan_id>/files/<key>")
def download(plan_id: int, key: str) -> ResponseReturnValue:
    """The plan as the file that a network imports."""
    plan = get_plan(plan_id)
    try:
        body = write_file(plan, key)
    except InputInvalid as error:
        return _show_plan(plan, error.fields), 422
    return _file(body, f"ads-{plan.id}-{key}.csv")


@page.route("/<int:plan_id>/ads/new", methods=["GET", "POST"])
def add_one(plan_id: int) -> ResponseReturnValue:
    """A new ad of a plan."""
    plan = get_plan(plan_id)
    if request.method == "GET":
        return _show_ad_form(plan, None, {"format": request.args.get("format", AD_FORMATS[0].key)}, {})
    try:
        add_ad(plan_id, _ad_facts())
    except InputInvalid as error:
        return _show_ad_form(plan, None, request.form, error.fields), 422
    flash("The ad is in the plan.", "success")
    return redirect(url_for("ad_plans.show", plan_id=plan_id, _anchor="ads"), 303)


@page.route("/<int:plan_id>/ads/<int:ad_id>", methods=["GET", "POST"])
def edit_ad(plan_id: int, ad_id: int) -> ResponseReturnValue:
    """Changes what an ad says."""
    plan, ad = get_plan(plan_id), get_ad(plan_id, ad_id)
    if request.method == "GET":
        return _show_ad_form(plan, ad, _ad_values(ad), {})
    try:
        change_ad(plan_id, ad_id, _ad_facts())
    except InputInvalid as error:
        return _show_ad_form(plan, ad, request.form, error.fields), 422
    flash("Saved.", "success")
    return redirect(url_for("ad_plans.show", plan_id=plan_id, _anchor="ads"), 303)


@page.post("/<int:plan_id>/ads/check")
def check_ad(plan_id: int) -> str:
    """How long an ad's texts are beside its format's limits as they are being typed, as a fragment."""
    get_plan(plan_id)
    return render_template("ad_plans/counts.html", counts=_counts(request.form))


@page.post("/<int:plan_id>/ads/<int:ad_id>/delete")
def remove_ad(plan_id: int, ad_id: int) -> ResponseReturnValue:
    """Takes an ad out of its plan."""
    delete_ad(plan_id, ad_id)
    flash("The ad is gone from the plan.", "success")
    return redirect(url_for("ad_plans.show", plan_id=plan_id, _anchor="ads"), 303)


@page.post("/<int:plan_id>/audiences")
def put_audience(plan_id: int) -> ResponseReturnValue:
    """Puts a segment to a plan: its ads are for these people, or not for them."""
    try:
        segment_id = read_id(request.form.get("segment_id")) or 0
        change_audience(plan_id, segment_id, is_excluded=request.form.get("use") == "leave_out")
    except InputInvalid as error:
        return _show_plan(get_plan(plan_id), error.fields), 422
    return redirect(url_for("ad_plans.show", plan_id=plan_id, _anchor="audiences"), 303)


@page.post("/<int:plan_id>/audiences/<int:audience_id>/delete")
def remove_audience(plan_id: int, audience_id: int) -> ResponseReturnValue:
    """Takes a segment out of a plan."""
    delete_audience(plan_id, audience_id)
    return redirect(url_for("ad_plans.show", plan_id=plan_id, _anchor="audiences"), 303)


@page.post("/<int:plan_id>/audiences/<int:audience_id>/export")
def export_audience(plan_id: int, audience_id: int) -> ResponseReturnValue:
    """The addresses of who agreed, as hashes; who took them stands in the audit trail."""
    audience = get_audience(plan_id, audience_id)
    try:
        note_export(
            audience.segment_id,
            has_agreed=request.form.get("agreed") == "1",
            actor=current_user.name,
            user_id=current_user.id,
            peer=peer(),
        )
    except InputInvalid as error:
        return _show_plan(get_plan(plan_id), error.fields), 422
    return _file(stream_audience(audience.segment_id), f"audience-{audience.segment_id}-hashed.csv")


def _show_plan(plan: AdPlan, errors: dict[str, str]) -> str:
    days = count_days(plan)
    counts = count_audiences([one.segment_id for one in plan.audiences])
    ads = [(ad, *measure_ad(ad), link_of(plan, ad), list_ad_problems(plan, ad)) for ad in plan.ads]
    return render_template(
        "ad_plans/show.html",
        plan=plan,
        parts=list_parts(plan),
        days=days,
        daily_cents=plan.budget_cents // days if days else None,
        ads=ads,
        ready_count=sum(not problems for *_, problems in ads),
        audiences=[(one, counts[one.segment_id]) for one in plan.audiences],
        smallest=SMALLEST,
        files=list_files(plan),
        segments=[(one.id, one.name) for one in list_segments()],
        goals=GOALS,
        errors=errors,
        may_change=has_role("marketer"),
    )


def _show_form(plan: AdPlan | None, values: Any, errors: dict[str, str]) -> str:
    return render_template(
        "ad_plans/edit.html",
        plan=plan,
        values=values,
        errors=errors,
        goals=list(GOALS.items()),
        currencies=CURRENCIES,
        part_rows=range(PART_ROWS),
    )


def _show_ad_form(plan: AdPlan, ad: PlannedAd | None, values: Any, errors: dict[str, str]) -> str:
    return render_template(
        "ad_plans/ad.html",
        plan=plan,
        ad=ad,
        values=values,
        errors=errors,
        formats=AD_FORMATS,
        counts=_counts(values),
        pictures=[("", "No picture"), *((one.id, one.name) for one in list_assets(limit=MOST_PICTURES))],
    )


def _counts(values: Any) -> dict[str, TextCounts]:
    """The typed texts of an ad beside what its format takes."""
    key = values.get("format", "")
    form = next((one for one in AD_FORMATS if one.key == key), AD_FORMATS[0])
    typed = [str(values.get(name, "")).splitlines() for name in ("headlines", "descriptions")]
    heads, texts = measure_texts(form.key, *typed)
    return {
        "headlines": _count(form, heads, form.fewest_headlines, form.headlines_taken, form.headline_longest),
        "descriptions": _count(
            form, texts, form.fewest_descriptions, form.descriptions_taken, form.description_longest
        ),
    }


def _count(form: AdFormat, lines: list[Measured], fewest: int, most: int, longest: int) -> TextCounts:
    limit = f"{form.label}: {fewest} to {most}, up to {longest} characters each. {len(lines)} so far."
    over = len(lines) - most
    said = f"{over} {'line' if over == 1 else 'lines'} too many. " if over > 0 else ""
    return TextCounts(limit, lines, over > 0, (said + tell_measures(lines)).strip())


def _facts() -> PlanFacts:
    form = request.form
    channels = zip(form.getlist("channel"), form.getlist("percent"), strict=False)
    parts = [(name.strip(), _percent(percent)) for name, percent in channels if name.strip()]
    names = ("name", "goal", "note", "link", "currency", "budget", "starts_on", "ends_on")
    return PlanFacts(**{name: form.get(name, "") for name in names}, parts=parts)


def _percent(text: str) -> int:
    plain = text.strip().rstrip("% ")
    return int(plain) if plain.isascii() and plain.isdigit() and len(plain) <= 3 else -1


def _values_of(plan: AdPlan) -> dict[str, Any]:
    return {
        "name": plan.name,
        "goal": plan.goal,
        "note": plan.note,
        "link": plan.link,
        "currency": plan.currency,
        "budget": f"{plan.budget_cents / 100:.2f}" if plan.budget_cents else "",
        "starts_on": plan.starts_on or "",
        "ends_on": plan.ends_on or "",
        "parts": [(one["channel"], one["percent"]) for one in plan.parts],
    }


def _ad_facts() -> AdFacts:
    form = request.form
    return AdFacts(
        form.get("format", ""),
        form.get("name", ""),
        form.get("headlines", "").splitlines(),
        form.get("descriptions", "").splitlines(),
        form.get("link", ""),
        read_id(form.get("asset_id")),
    )


def _ad_values(ad: PlannedAd) -> dict[str, Any]:
    return {
        "format": ad.format,
        "name": ad.name,
        "headlines": "\n".join(ad.headlines),
        "descriptions": "\n".join(ad.descriptions),
        "link": ad.link,
        "asset_id": ad.asset_id or "",
    }


def _file(body: Any, name: str) -> Response:
    response = Response(body, mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
