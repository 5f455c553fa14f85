"""Fills a data folder of its own with the demo's business and starts LUX on it: `make demo`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import func, select

import embedded_postgres
import schema
from analytics.days import sum_days
from analytics.people import sum_cohorts
from app import create_app
from audience.segments import add_segment
from campaigns.brand import change_brand
from config import child_environment, load_settings
from demo.advertising import add_plans
from demo.articles import add_articles, add_dates
from demo.business import AUDIENCES, BRAND, FURTHER_AUDIENCES, Audience
from demo.colleagues import add_agent_work
from demo.drafts import add_drafts
from demo.faults import add_faults
from demo.inbox import add_fair_import, add_inbox
from demo.leads import add_leads
from demo.people import add_people
from demo.pictures import add_pictures
from demo.posts import add_posts
from demo.tasks import add_tasks
from demo.team import add_team
from demo.year import add_year
from extensions import db
from models import Contact

FOLDER = Path("var") / "demo"
PEOPLE = 100_000
PORT = "5050"
# The clock sums a piece at a time; here all of the year at once.
SUM_SECONDS = 600
SETTINGS = {
    "MAIL_FROM": "Lumen Tea <hello@lumen.example>",
    "POSTAL_ADDRESS": "Lumen Tea, 1 Harbour Street, Springfield",
}


def main(words: list[str]) -> None:
    """Reads the command line, fills the folder once, starts LUX unless only the data was wanted."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the demo's database lives")
    parser.add_argument("--contacts", type=int, default=PEOPLE, help="how many people it has")
    parser.add_argument("--port", default=PORT, help="where the demo listens")
    parser.add_argument("--only-data", action="store_true", help="fill the folder and stop")
    given = parser.parse_args(words)
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    url = embedded_postgres.ensure_running(folder)
    schema.migrate(url)
    fill(url, folder, given.contacts)
    if given.only_data:
        embedded_postgres.stop(folder)
        return
    environment = child_environment(
        **SETTINGS, LUX_DATA_DIR=str(folder), PORT=given.port, LUX_PUBLIC_URL=f"http://127.0.0.1:{given.port}"
    )
    os.execve(sys.executable, [sys.executable, "supervisor.py"], environment)  # noqa: S606 - our own program


def fill(url: str, folder: Path, contacts: int) -> bool:
    """Fills an empty database with the demo's business; whether there was anything to do."""
    settings = load_settings({**SETTINGS, "LUX_DATA_DIR": str(folder), "DATABASE_URL": url}, dotenv=None)
    with create_app(settings).app_context():
        if db.session.scalar(select(func.count()).select_from(Contact)):
            return False
        began = time.monotonic()
        _tell(f"Making {contacts:,} people and a year of campaigns. This takes some minutes, once.")
        _make(contacts)
        people = db.session.scalar(select(func.count()).select_from(Contact))
        _tell(f"{people:,} people and all that happened, in {time.monotonic() - began:.0f} s.")
        db.session.remove()
        db.engine.dispose()
    return True


def _make(contacts: int) -> None:
    """The house and its year, in the order in which one thing needs another."""
    change_brand(BRAND, actor="LUX")
    team = add_team()
    add_people(contacts)
    segments = _add_segments()
    _say("campaigns sent", add_year({name: (segments[name], _sources_of(name)) for name in segments}, _tell_more))
    # The planner has not seen these rows yet: what follows reads them in all ways.
    db.session.execute(db.text("ANALYZE"))
    db.session.commit()
    segments |= _add_segments(FURTHER_AUDIENCES)
    pictures = add_pictures(team.writer)
    _say("campaigns to come", add_drafts(segments, team.writer))
    _say("posts", add_posts(pictures, team.writer))
    _say("articles", add_articles(team.writer))
    _say("dates", add_dates(team.writer))
    _say("plans of advertising", add_plans(pictures, segments, team.writer))
    _say("bodies at the webhook", add_inbox(team))
    add_fair_import(team)
    _say("pairs that may be one person", add_leads(team))
    _say("tasks", add_tasks(team))
    _say("errors", add_faults(team))
    sum_days(budget_seconds=SUM_SECONDS)
    sum_cohorts(budget_seconds=SUM_SECONDS)
    db.session.execute(db.text("ANALYZE"))
    db.session.commit()
    _say("runs of agents", add_agent_work(team, segments["Newsletter readers"], _tell_more))


def _add_segments(audiences: Sequence[Audience] = AUDIENCES) -> dict[str, int]:
    made = {}
    for audience in audiences:
        rules = {"match": "all", "rules": list(audience.rules)}
        made[audience.name] = add_segment(audience.name, rules=rules, made_by="LUX").id
    return made


def _sources_of(name: str) -> list[str]:
    audience = next(one for one in AUDIENCES if one.name == name)
    return [rule["value"] for rule in audience.rules if rule["field"] == "source"]


def _say(what: str, count: int) -> None:
    _tell(f"{count:,} {what}")


def _tell_more(line: str) -> None:
    _tell(f"  {line}")


def _tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command speaks to its caller


if __name__ == "__main__":
    main(sys.argv[1:])
