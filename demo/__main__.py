"""Fills a data folder of its own with the demo's business and starts LUX on it: `make demo`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from sqlalchemy import func, select

import embedded_postgres
import schema
from app import create_app
from audience.segments import add_segment
from campaigns.brand import change_brand
from config import child_environment, load_settings
from demo.business import AUDIENCES, BRAND
from demo.people import add_people
from demo.year import add_year
from extensions import db
from models import Contact

FOLDER = Path("var") / "demo"
PEOPLE = 100_000
PORT = "5050"
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
        change_brand(BRAND, actor="LUX")
        add_people(contacts)
        count = add_year(_add_segments(), lambda name: _tell(f"  {name}"))
        db.session.execute(db.text("ANALYZE"))
        db.session.commit()
        _tell(f"{contacts:,} people and {count} campaigns in {time.monotonic() - began:.0f} s.")
        db.session.remove()
        db.engine.dispose()
    return True


def _add_segments() -> dict[str, tuple[int, list[str]]]:
    made = {}
    for audience in AUDIENCES:
        segment = add_segment(audience.name, rules={"match": "all", "rules": list(audience.rules)}, made_by="LUX")
        made[audience.name] = (segment.id, [rule["value"] for rule in audience.rules if rule["field"] == "source"])
    return made


def _tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command speaks to its caller


if __name__ == "__main__":
    main(sys.argv[1:])
