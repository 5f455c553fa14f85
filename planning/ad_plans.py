"""Plans of advertising: a budget split over channels, ads within their formats' limits, audiences from segments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import or_, select, tuple_
from sqlalchemy.orm import selectinload

from creative.assets import find_asset
from errors import InputInvalid, NotFound
from extensions import db
from lib.clean_text import clean_text, one_line
from lib.measured_texts import Measured
from lib.networks import AD_FORMATS, AdFormat, add_utm, get_ad_format
from models import AD_GOALS, AdPlan, PlannedAd, PlannedAudience, Segment

GOALS = {"sales": "Sales", "contacts": "New contacts", "awareness": "Being known"}
CURRENCIES = ("USD", "EUR", "GBP", "CHF", "CAD", "AUD", "JPY", "PLN", "SEK", "NOK", "DKK", "CZK", "INR", "BRL", "MXN")
MOST_ADS = 50
MOST_PARTS = 12
LARGEST_CENTS = 10_000_000_000
GONE = "There is no such plan."
PAGE_ROWS = 50
# A cell that begins like this is a formula to a spreadsheet; the networks' files have no way to say that it is text.
FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
HTTP = re.compile(r"https?://[^\s<>\"'`\\]+")


@dataclass(frozen=True)
class Part:
    """A channel's share of a budget, in cents of the plan's currency."""

    channel: str
    percent: int
    cents: int


@dataclass(frozen=True)
class PlanFacts:
    """What a plan is about, as it was typed."""

    name: str
    goal: str = "contacts"
    note: str = ""
    link: str = ""
    currency: str = "USD"
    budget: str = ""
    starts_on: str = ""
    ends_on: str = ""
    parts: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True)
class AdFacts:
    """What an ad says, as it was typed."""

    format: str
    name: str
    headlines: Sequence[str]
    descriptions: Sequence[str]
    link: str = ""
    asset_id: int | None = None


def get_plan(plan_id: int) -> AdPlan:
    """The plan. Raises NotFound."""
    plan = db.session.get(AdPlan, plan_id)
    if plan is None:
        raise NotFound(GONE)
    return plan


def list_plans(
    *, q: str = "", goal: str = "", is_archived: bool = False, after: AdPlan | None = None, limit: int = PAGE_ROWS
) -> list[AdPlan]:
    """The plans with their ads, those last worked on first; `after` goes on where a page ended.

    Each word of `q` stands in the plan's name, its note, or the name of one of its ads.
    """
    kept = AdPlan.archived_at.is_not(None) if is_archived else AdPlan.archived_at.is_(None)
    query = select(AdPlan).where(kept).options(selectinload(AdPlan.ads))
    if goal in AD_GOALS:
        query = query.where(AdPlan.goal == goal)
    for word in q.split()[:8]:
        places = (AdPlan.name, AdPlan.note)
        in_an_ad = AdPlan.ads.any(PlannedAd.name.icontains(word, autoescape=True))
        query = query.where(or_(*(place.icontains(word, autoescape=True) for place in places), in_an_ad))
    if after is not None:
        query = query.where(tuple_(AdPlan.updated_at, AdPlan.id) < (after.updated_at, after.id))
    return list(db.session.scalars(query.order_by(AdPlan.updated_at.desc(), AdPlan.id.desc()).limit(limit)))


def draft_plan(
    facts: PlanFacts, *, made_by: str, proposal_id: int | None = None, created_by_id: int | None = None
) -> AdPlan:
    """A new plan within the caller's transaction: nothing is committed here. Raises InputInvalid."""
    plan = AdPlan(**checked_facts(facts), made_by=made_by, proposal_id=proposal_id, created_by_id=created_by_id)
    db.session.add(plan)
    db.session.flush()
    return plan


def add_plan(facts: PlanFacts, *, made_by: str, created_by_id: int | None = None) -> AdPlan:
    """A new plan; commits. Raises InputInvalid."""
    plan = draft_plan(facts, made_by=made_by, created_by_id=created_by_id)
    db.session.commit()
    return plan


def change_plan(plan_id: int, facts: PlanFacts) -> AdPlan:
    """Changes what a plan is about; commits. Raises InputInvalid, NotFound."""
    plan = get_plan(plan_id)
    for name, value in checked_facts(facts).items():
        setattr(plan, name, value)
    return _touched(plan)


def archive_plan(plan_id: int, *, is_archived: bool = True) -> AdPlan:
    """Takes a plan out of the list, or brings it back; commits. Raises NotFound."""
    plan = get_plan(plan_id)
    plan.archived_at = datetime.now(UTC) if is_archived else None
    return _touched(plan)


def get_ad(plan_id: int, ad_id: int) -> PlannedAd:
    """An ad of that plan. Raises NotFound."""
    ad = db.session.get(PlannedAd, ad_id)
    if ad is None or ad.plan_id != plan_id:
        raise NotFound("There is no such ad.")
    return ad


def draft_ad(plan: AdPlan, facts: AdFacts) -> PlannedAd:
    """A new ad within the caller's transaction. Raises InputInvalid."""
    if len(plan.ads) >= MOST_ADS:
        raise InputInvalid({"form": f"A plan holds at most {MOST_ADS} ads."})
    ad = PlannedAd(**checked_ad(facts))
    plan.ads.append(ad)
    db.session.flush()
    return ad


def add_ad(plan_id: int, facts: AdFacts) -> PlannedAd:
    """A new ad; commits. Raises InputInvalid, NotFound."""
    plan = get_plan(plan_id)
    ad = draft_ad(plan, facts)
    _touched(plan)
    return ad


def change_ad(plan_id: int, ad_id: int, facts: AdFacts) -> PlannedAd:
    """Changes what an ad says; commits. Raises InputInvalid, NotFound."""
    ad = get_ad(plan_id, ad_id)
    for name, value in checked_ad(facts).items():
        setattr(ad, name, value)
    _touched(get_plan(plan_id))
    return ad


def delete_ad(plan_id: int, ad_id: int) -> None:
    """Takes an ad out of its plan; commits. Raises NotFound."""
    db.session.delete(get_ad(plan_id, ad_id))
    _touched(get_plan(plan_id))


def put_audience(plan: AdPlan, segment_id: int, *, is_excluded: bool, note: str = "") -> PlannedAudience:
    """A segment whom the ads are for or not for, once in a plan, in the caller's transaction. Raises InputInvalid."""
    segment = db.session.get(Segment, segment_id)
    if segment is None or segment.archived_at is not None:
        raise InputInvalid({"segment_id": "Choose a segment."})
    known = next((one for one in plan.audiences if one.segment_id == segment_id), None)
    if known is None:
        known = PlannedAudience(segment_id=segment_id)
        plan.audiences.append(known)
    known.is_excluded, known.note = is_excluded, one_line(note)[:300]
    db.session.flush()
    return known


def change_audience(plan_id: int, segment_id: int, *, is_excluded: bool) -> PlannedAudience:
    """Puts a segment to a plan; commits. Raises InputInvalid, NotFound."""
    plan = get_plan(plan_id)
    audience = put_audience(plan, segment_id, is_excluded=is_excluded)
    _touched(plan)
    return audience


def get_audience(plan_id: int, audience_id: int) -> PlannedAudience:
    """An audience of that plan. Raises NotFound."""
    audience = db.session.get(PlannedAudience, audience_id)
    if audience is None or audience.plan_id != plan_id:
        raise NotFound("There is no such audience.")
    return audience


def delete_audience(plan_id: int, audience_id: int) -> None:
    """Takes an audience out of its plan; commits. Raises NotFound."""
    db.session.delete(get_audience(plan_id, audience_id))
    _touched(get_plan(plan_id))


def list_parts(plan: AdPlan) -> list[Part]:
    """The budget by channel; what does not divide goes to the largest parts, so that the sum is the budget."""
    shares = [(str(one["channel"]), int(one["percent"])) for one in plan.parts]
    whole = plan.budget_cents * sum(percent for _, percent in shares) // 100
    cents = [plan.budget_cents * percent // 100 for _, percent in shares]
    for at in sorted(range(len(shares)), key=lambda at: -shares[at][1])[: whole - sum(cents)]:
        cents[at] += 1
    return [Part(channel, percent, own) for (channel, percent), own in zip(shares, cents, strict=True)]


def count_days(plan: AdPlan) -> int | None:
    """How many days a plan runs, both ends counted."""
    return (plan.ends_on - plan.starts_on).days + 1 if plan.starts_on and plan.ends_on else None


def link_of(plan: AdPlan, ad: PlannedAd) -> str:
    """Where an ad leads, with where its visits come from."""
    return add_utm(ad.link or plan.link, source=ad.format.split("_")[0], medium="cpc", campaign=plan.name)


def measure_ad(ad: PlannedAd) -> tuple[list[Measured], list[Measured]]:
    """Headlines and descriptions with their lengths."""
    return measure_texts(ad.format, ad.headlines, ad.descriptions)


def measure_texts(
    format_key: str, headlines: Sequence[str], descriptions: Sequence[str]
) -> tuple[list[Measured], list[Measured]]:
    """The same for lines as somebody types them, counted as they would be saved. Raises KeyError for no format."""
    form = get_ad_format(format_key)
    heads = [Measured(one, len(one), form.headline_longest) for one in _lines(headlines)]
    return heads, [Measured(one, len(one), form.description_longest) for one in _lines(descriptions)]


def list_ad_problems(plan: AdPlan, ad: PlannedAd) -> list[str]:
    """What keeps an ad from being taken by its network, as sentences."""
    problems = _text_problems(get_ad_format(ad.format), ad.headlines, ad.descriptions)
    link = link_of(plan, ad)
    if not link:
        problems.append("It leads nowhere yet: give it or the plan a link.")
    return problems


def checked_facts(facts: PlanFacts) -> dict[str, Any]:
    """What a plan is about as columns. Raises InputInvalid by field."""
    errors: dict[str, str] = {}
    name = one_line(clean_text(facts.name))[:120]
    if not name or name.startswith(FORMULA_STARTS):
        errors["name"] = "Give the plan a name that begins with a letter or a digit."
    if facts.goal not in AD_GOALS:
        errors["goal"] = "Choose a goal."
    if facts.currency not in CURRENCIES:
        errors["currency"] = "Choose a currency."
    if facts.link and not HTTP.fullmatch(facts.link.strip()):
        errors["link"] = "A link begins with https:// and has no spaces."
    cents = _read_cents(facts.budget, errors)
    starts_on, ends_on = _read_day("starts_on", facts.starts_on, errors), _read_day("ends_on", facts.ends_on, errors)
    if starts_on and ends_on and ends_on < starts_on:
        errors["ends_on"] = "The last day is before the first."
    parts = [(one_line(channel)[:60], percent) for channel, percent in facts.parts if channel.strip()]
    whole = sum(percent for _, percent in parts)
    if len(parts) > MOST_PARTS or any(not 0 <= percent <= 100 for _, percent in parts):
        errors["parts"] = "Each share is between 0 and 100 %."
    elif parts and whole != 100:
        errors["parts"] = f"The shares are {whole} % together; they must be 100 %."
    if errors:
        raise InputInvalid(errors)
    return {
        "name": name,
        "goal": facts.goal,
        "note": clean_text(facts.note).strip()[:4000],
        "link": facts.link.strip()[:2000],
        "currency": facts.currency,
        "budget_cents": cents,
        "parts": [{"channel": channel, "percent": percent} for channel, percent in parts],
        "starts_on": starts_on,
        "ends_on": ends_on,
    }


def checked_ad(facts: AdFacts) -> dict[str, Any]:
    """What an ad says as columns; too long a text is refused, too few are only told. Raises InputInvalid by field."""
    form = next((one for one in AD_FORMATS if one.key == facts.format), None)
    if form is None:
        raise InputInvalid({"format": "Choose a format."})
    heads, texts = _lines(facts.headlines), _lines(facts.descriptions)
    errors: dict[str, str] = {}
    for field, lines, longest, most in (
        ("headlines", heads, form.headline_longest, form.headlines_taken),
        ("descriptions", texts, form.description_longest, form.descriptions_taken),
    ):
        long = next((one for one in lines if len(one) > longest), None)
        formula = next((one for one in lines if one.startswith(FORMULA_STARTS)), None)
        if not lines:
            errors[field] = "At least one, each on a line of its own."
        elif long is not None:
            errors[field] = f"“{long[:40]}…” has {len(long)} characters; {form.label} takes {longest}."
        elif len(lines) > most:
            errors[field] = f"{form.label} takes at most {most}; these are {len(lines)}."
        elif formula is not None:
            errors[field] = f"“{formula[:40]}” would be a formula in a spreadsheet: begin with a letter or a digit."
    if facts.link and not HTTP.fullmatch(facts.link.strip()):
        errors["link"] = "A link begins with https:// and has no spaces."
    if facts.asset_id is not None and find_asset(facts.asset_id) is None:
        errors["asset_id"] = "This picture is not there any more."
    name = one_line(clean_text(facts.name))[:120] or form.label
    if name.startswith(FORMULA_STARTS):
        errors["name"] = "Begin the name with a letter or a digit."
    if errors:
        raise InputInvalid(errors)
    return {
        "format": form.key,
        "name": name,
        "headlines": heads,
        "descriptions": texts,
        "link": facts.link.strip()[:2000],
        "asset_id": facts.asset_id,
    }


def ad_facts_of(values: Mapping[str, Any]) -> AdFacts:
    """What an agent wrote as the facts of an ad."""
    return AdFacts(
        values["format"], values.get("name", ""), values["headlines"], values["descriptions"], values["link"]
    )


def _text_problems(form: AdFormat, headlines: Sequence[str], descriptions: Sequence[str]) -> list[str]:
    problems = []
    for word, lines, fewest in (
        ("headlines", headlines, form.fewest_headlines),
        ("descriptions", descriptions, form.fewest_descriptions),
    ):
        if len(set(lines)) < fewest:
            problems.append(f"{form.label} needs at least {fewest} different {word}.")
    return problems


def _lines(lines: Sequence[str]) -> list[str]:
    cleaned = (one_line(clean_text(line)) for line in lines)
    return list(dict.fromkeys(line for line in cleaned if line))


def _read_cents(text: str, errors: dict[str, str]) -> int:
    plain = re.sub(r"[\s,'’$€£]", "", text)
    if not plain:
        return 0
    if not re.fullmatch(r"\d{1,9}(\.\d{1,2})?", plain):
        errors["budget"] = "A budget is a number such as 2,500 or 2500.50."
        return 0
    units, _, rest = plain.partition(".")
    cents = int(units) * 100 + int(rest.ljust(2, "0") or 0)
    if cents > LARGEST_CENTS:
        errors["budget"] = "This is more than LUX counts."
    return cents


def _read_day(field: str, text: str, errors: dict[str, str]) -> date | None:
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        errors[field] = "A day is written 2026-05-31."
        return None


def _touched(plan: AdPlan) -> AdPlan:
    plan.updated_at = datetime.now(UTC)
    db.session.commit()
    return plan
