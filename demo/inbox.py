"""What reached the demo's webhook lately, good and bad, and a file that somebody imported after the tea fair."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from accounts.webhook_credentials import NewCredential, ensure_first_credential, find_credential
from audience.import_runs import run_import
from audience.imports import ImportOptions, add_import, check_import, start_import
from audience.intake import receive
from audience.intake_bodies import Received
from demo.business import CITIES, FIRST_NAMES, LAST_NAMES
from demo.team import Team

GOOD, FAIR_ROWS = 36, 25
LOOPBACK = "127.0.0.1"
# Each became nothing, for a reason of its own.
BAD = (
    '{"name": "Tess Brown", "message": "Do you ship to Norway?"}',
    '{"email": "not an address", "name": "Liam"}',
    '{"email": "", "source": "Website form"}',
    "email=oscar@",
    '{"email": "rosa@example.com", "name": ',
)
FORMS = ("Website form", "Newsletter", "Shop checkout", "Facebook lead ad")


def add_inbox(team: Team) -> int:
    """Posts bodies to the webhook as Zapier would, over the last days; commits each. How many."""
    made = ensure_first_credential()
    if made is None:
        return 0
    bodies = [_write(number) for number in range(GOOD)]
    for number, body in enumerate(BAD):
        bodies.insert(number * 7 + 4, body)
    for number, body in enumerate(bodies):
        _post(body, made, datetime.now(UTC) - timedelta(hours=(len(bodies) - number) * 4))
    return len(bodies)


def add_fair_import(team: Team) -> None:
    """Imports the sign-ups of the tea fair, with a few rows that are refused; commits as it goes."""
    rows = ["Name,Email,City"]
    for number in range(FAIR_ROWS):
        first, last = _name(number * 3 + 1)
        mailbox = f"{first}.{last}@fair.example".lower() if number % 9 else "no address"
        rows.append(f"{first} {last},{mailbox},{CITIES[number % len(CITIES)]}")
    made = add_import("tea-fair.csv", "\n".join(rows).encode(), actor=team.seller.name, user_id=team.seller.id)
    options = ImportOptions(
        is_subscribing=True,
        statement="Signed up at our stand on paper",
        source="Tea fair 2026",
        tags="tea fair",
        columns={0: "name", 1: "email", 2: "attribute"},
    )
    check_import(made.id, options)
    run_import(made.id)
    start_import(made.id, actor=team.seller.name, user_id=team.seller.id)
    run_import(made.id)


def _post(body: str, made: NewCredential, at: datetime) -> None:
    credential = find_credential(made.username, made.password, peer=LOOPBACK)
    if credential is not None:
        kind = "application/json" if body.startswith("{") else "application/x-www-form-urlencoded"
        receive(Received(body.encode(), kind, {"User-Agent": "Zapier"}, credential.id, received_at=at), credential)


def _write(number: int) -> str:
    first, last = _name(number)
    form = FORMS[number % len(FORMS)]
    said = {"email": f"{first}.{last}@form.example".lower(), "name": f"{first} {last}", "source": form}
    return json.dumps({**said, "city": CITIES[number % len(CITIES)]}, ensure_ascii=False)


def _name(number: int) -> tuple[str, str]:
    return FIRST_NAMES[number * 7 % len(FIRST_NAMES)], LAST_NAMES[number * 11 % len(LAST_NAMES)]
