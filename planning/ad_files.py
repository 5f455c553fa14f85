"""A plan's ads as the files that networks import in bulk. To add a network, write its rows and list it in FILES.

Whatever a file makes is paused: nothing runs before a person has looked at it in the network's own pages.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from creative.assets import asset_url
from errors import InputInvalid
from lib.csv_rows import guarded
from models import AdPlan, PlannedAd
from planning.ad_plans import count_days, link_of, list_ad_problems

Row = dict[str, str]
GOOGLE_HEADLINES, GOOGLE_DESCRIPTIONS = 15, 4
META_GOALS = {"sales": "Outcome Sales", "contacts": "Outcome Leads", "awareness": "Outcome Awareness"}


@dataclass(frozen=True)
class NetworkFile:
    """One network's file: which formats go into it, its columns, how a plan becomes rows, and how it is imported."""

    key: str
    label: str
    formats: tuple[str, ...]
    columns: tuple[str, ...]
    rows: Callable[[AdPlan, Sequence[PlannedAd]], Iterator[Row]]
    hint: str


def _google(plan: AdPlan, ads: Sequence[PlannedAd]) -> Iterator[Row]:
    campaign = {
        "Campaign": plan.name,
        "Campaign type": "Search",
        "Networks": "Google search",
        "Campaign status": "Paused",
        "Start date": plan.starts_on.isoformat() if plan.starts_on else "",
        "End date": plan.ends_on.isoformat() if plan.ends_on else "",
    }
    days = count_days(plan)
    if days and plan.budget_cents:
        campaign |= {"Budget": money(plan.budget_cents // days), "Budget type": "Daily"}
    yield campaign
    for ad in ads:
        yield {"Campaign": plan.name, "Ad group": ad.name, "Ad group status": "Paused"}
        row = {"Campaign": plan.name, "Ad group": ad.name, "Ad type": "Responsive search ad", "Status": "Paused"}
        row |= {f"Headline {at}": one for at, one in enumerate(ad.headlines[:GOOGLE_HEADLINES], 1)}
        row |= {f"Description {at}": one for at, one in enumerate(ad.descriptions[:GOOGLE_DESCRIPTIONS], 1)}
        yield row | {"Final URL": link_of(plan, ad)}


def _microsoft(plan: AdPlan, ads: Sequence[PlannedAd]) -> Iterator[Row]:
    yield {"Type": "Format Version", "Name": "6.0"}
    for ad in ads:
        yield {
            "Type": "Responsive Search Ad",
            "Status": "Paused",
            "Campaign": plan.name,
            "Ad Group": ad.name,
            "Client Id": f"lux-{ad.id}",
            "Final Url": link_of(plan, ad),
            "Headline": _texts(ad.headlines),
            "Description": _texts(ad.descriptions),
        }


def _meta(plan: AdPlan, ads: Sequence[PlannedAd]) -> Iterator[Row]:
    for ad in ads:
        for at in range(max(len(ad.headlines), len(ad.descriptions))):
            yield {
                "Campaign Name": plan.name,
                "Campaign Status": "PAUSED",
                "Campaign Objective": META_GOALS[plan.goal],
                "Ad Set Name": ad.name,
                "Ad Set Run Status": "PAUSED",
                "Ad Name": f"{ad.name} {at + 1}",
                "Ad Status": "PAUSED",
                "Title": ad.headlines[at % len(ad.headlines)],
                "Body": ad.descriptions[at % len(ad.descriptions)],
                "Link": link_of(plan, ad),
                "Image URL": picture_of(ad),
            }


def _linkedin(plan: AdPlan, ads: Sequence[PlannedAd]) -> Iterator[Row]:
    for ad in ads:
        for at in range(max(len(ad.headlines), len(ad.descriptions))):
            yield {
                "Campaign": plan.name,
                "Ad name": f"{ad.name} {at + 1}",
                "Introductory text": ad.descriptions[at % len(ad.descriptions)],
                "Headline": ad.headlines[at % len(ad.headlines)],
                "Destination URL": link_of(plan, ad),
                "Image": picture_of(ad),
                "Alt text": ad.asset.alt if ad.asset else "",
            }


FILES: list[NetworkFile] = [
    NetworkFile(
        "google",
        "Google Ads Editor",
        ("google_search",),
        (
            *("Campaign", "Campaign type", "Networks", "Budget", "Budget type", "Start date", "End date"),
            *("Campaign status", "Ad group", "Ad group status", "Ad type"),
            *(f"Headline {at}" for at in range(1, GOOGLE_HEADLINES + 1)),
            *(f"Description {at}" for at in range(1, GOOGLE_DESCRIPTIONS + 1)),
            *("Final URL", "Status"),
        ),
        _google,
        "In Google Ads Editor: Account, Import, From file. Give the campaign its bids there before you post it.",
    ),
    NetworkFile(
        "microsoft",
        "Microsoft Advertising",
        ("microsoft_search",),
        (
            "Type",
            "Status",
            "Id",
            "Parent Id",
            "Campaign",
            "Ad Group",
            "Client Id",
            "Name",
            "Final Url",
            "Headline",
            "Description",
        ),
        _microsoft,
        "Make a campaign and ad groups of these names first, then: Import, Import from file.",
    ),
    NetworkFile(
        "meta",
        "Meta Ads Manager",
        ("meta_feed",),
        (
            *("Campaign Name", "Campaign Status", "Campaign Objective", "Ad Set Name", "Ad Set Run Status"),
            *("Ad Name", "Ad Status", "Title", "Body", "Link", "Image URL"),
        ),
        _meta,
        "In Ads Manager: Export & Import, Import ads. Meta asks for the page, the audience and the budget there.",
    ),
    NetworkFile(
        "linkedin",
        "LinkedIn",
        ("linkedin_single",),
        ("Campaign", "Ad name", "Introductory text", "Headline", "Destination URL", "Image", "Alt text"),
        _linkedin,
        "A sheet with the fields of Campaign Manager’s own form, to copy from: LinkedIn describes no file in public.",
    ),
]


def list_files(plan: AdPlan) -> list[tuple[NetworkFile, list[PlannedAd]]]:
    """The files that a plan has ads for."""
    found = [(one, [ad for ad in plan.ads if ad.format in one.formats]) for one in FILES]
    return [(one, ads) for one, ads in found if ads]


def write_file(plan: AdPlan, key: str) -> str:
    """A network's file as text. Raises InputInvalid where there is nothing for it, or an ad that it would not take."""
    found = next(((one, ads) for one, ads in list_files(plan) if one.key == key), None)
    if found is None:
        raise InputInvalid({"file": "This plan has no ads for this network."})
    form, ads = found
    for ad in ads:
        if problems := list_ad_problems(plan, ad):
            raise InputInvalid({"file": f"“{ad.name}” is not ready. {problems[0]}"})
    rows = list(form.rows(plan, ads))
    # Guarded as in other files, an ad would show the guard: what a spreadsheet takes for a formula does not go out.
    formula = next((cell for row in rows for cell in row.values() if guarded(cell) != cell), None)
    if formula is not None:
        raise InputInvalid({"file": f"“{formula[:60]}” is a formula to spreadsheets. Begin it with a letter or digit."})
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, form.columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return "\ufeff" + out.getvalue()


def money(cents: int) -> str:
    """An amount as files write it."""
    return f"{cents // 100}.{cents % 100:02d}"


def picture_of(ad: PlannedAd) -> str:
    """The public address of an ad's picture."""
    return asset_url(ad.asset) if ad.asset else ""


def _texts(lines: Sequence[str]) -> str:
    return json.dumps([{"text": line} for line in lines], ensure_ascii=False, separators=(",", ":"))
