"""The demo's advertising: a plan that is over, the one that runs, and the next one in the making."""

from __future__ import annotations

from datetime import date, timedelta

from demo.pictures import Drawn
from demo.team import Person
from lib.networks import get_ad_format
from planning.ad_plans import AdFacts, PlanFacts, add_ad, add_plan, change_audience
from planning.tasks import today

SHOP = "https://lumen.example/shop"
PARTS = (("Search ads", 45), ("Meta", 30), ("LinkedIn", 15), ("Tests", 10))
SEARCH = AdFacts(
    "google_search",
    "Single-estate tea",
    ("Tea from one estate", "Picked this spring", "Free delivery from 40", "31 estates visited", "Fresh green tea"),
    (
        "Single-estate teas, fresh from this year's harvest. Free delivery from 40.",
        "Each tin names its estate and the week of the picking. 4.8 of 5 from 2,140 reviews.",
    ),
    f"{SHOP}/new",
)
FEED = AdFacts(
    "meta_feed",
    "First flush",
    ("The first flush is here", "Light in the cup", "Gone by summer"),
    ("Picked in spring on nine estates that we know by name. Order while there is some.",),
    f"{SHOP}/spring",
)
CAFES = AdFacts(
    "linkedin_single",
    "Tea for cafés",
    ("A tea list that your guests read to the end", "Eleven teas, one delivery a week"),
    ("We write the card, train your people for an hour, and deliver on Tuesdays.",),
    "https://lumen.example/wholesale",
)


def add_plans(pictures: list[Drawn], segments: dict[str, int], by: Person) -> int:
    """Adds the plans with their ads and audiences; commits each. How many."""
    now = today()
    plans = (
        ("Spring harvest", "sales", "3200", now - timedelta(days=190), 42, (SEARCH, FEED)),
        ("Autumn teas", "contacts", "4500", now - timedelta(days=20), 56, (SEARCH, FEED, CAFES)),
        ("Winter blend", "awareness", "1800", now + timedelta(days=23), 28, ()),
    )
    for name, goal, budget, first, days, ads in plans:
        _add(name, goal, budget, (first, first + timedelta(days=days - 1)), ads, pictures, segments, by)
    return len(plans)


def _add(
    name: str,
    goal: str,
    budget: str,
    days: tuple[date, date],
    ads: tuple[AdFacts, ...],
    pictures: list[Drawn],
    segments: dict[str, int],
    by: Person,
) -> None:
    first, last = (day.isoformat() for day in days)
    facts = PlanFacts(name, goal, "Stop what brings nobody after a week.", SHOP, "EUR", budget, first, last, PARTS)
    plan_id = add_plan(facts, made_by=by.name, created_by_id=by.id).id
    for ad in ads:
        place = get_ad_format(ad.format).place
        asset = next((one for one in pictures if one.place == place), None)
        add_ad(
            plan_id, AdFacts(ad.format, ad.name, ad.headlines, ad.descriptions, ad.link, asset.id if asset else None)
        )
    if ads:
        change_audience(plan_id, segments["Newsletter readers"], is_excluded=False)
        change_audience(plan_id, segments["Customers"], is_excluded=True)
