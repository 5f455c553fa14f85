"""Who may do what: every address × method × principal × (own, foreign, random id), against matrix.txt.

To add an address, take the line that the failing test prints, ask product.md whether each word of it is right, and put
it into matrix.txt. Its words: `yes` let in · `sign-in` sent to the sign-in page · `waits` sent to the page of those who
wait · `401`, `403` refused. Under foreign and random stands what those who are let in get: `same` as for their own,
because rows belong to the whole house, `404`, or `nothing` where an act finds nobody to act on; `-` where the address
carries no id.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from tests.fakes.oidc_provider import OidcProvider
from tests.security.house import PRINCIPALS, House, open_house

TABLE = Path(__file__).with_name("matrix.txt")
# The same for sign in with Replit where it is set up; in matrix.txt it is not.
REPLIT_TABLE = Path(__file__).with_name("matrix_replit.txt")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# What reading an address writes down, by address; contents.py names the columns that any look may write.
NOTED_AT = {
    "public.click": {"tracking_events", "campaign_tallies", "contacts", "contact_events"},
    "public.opened": {"tracking_events", "campaign_tallies", "contacts", "contact_events"},
    "public.view": {"tracking_events"},
    # A way to the provider and back is a row, and a way that nobody set out on is a refusal in the audit trail.
    "replit_auth.login": {"replit_attempts"},
    "replit_auth.authorized": {"audit_entries"},
    "replit_auth.link": {"audit_entries"},
}
# What a principal writes down by being there: the use of a token belongs to the audit trail.
NOTED_OF = {"token": {"audit_entries", "token_uses"}}
# Whoever acts here ends on the sign-in page, as those do who may not: the one has changed something.
LEADS_TO_SIGN_IN = {"sign_in.sign_out", "profile.end_all", "profile.confirm_address", "replit_auth.log_out"}
Key = tuple[str, str]


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    cells: dict[str, str]
    foreign: str
    random: str


def read_table(path: Path = TABLE) -> dict[Key, Row]:
    rows: dict[Key, Row] = {}
    for line in path.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        method, endpoint, *words = line.split()
        assert len(words) == len(PRINCIPALS) + 2, f"{path.name}: a line has a word too many or too few: {line}"
        assert (method, endpoint) not in rows, f"{path.name} has two lines for {method} {endpoint}"
        rows[method, endpoint] = Row(dict(zip(PRINCIPALS, words, strict=False)), *words[-2:])
    return rows


def write_line(key: Key, cells: dict[str, str], foreign: str, random: str) -> str:
    words = [f"{cells[name]:<8}" for name in PRINCIPALS]
    return f"{key[0]:<6} {key[1]:<34} {' '.join(words)} {foreign:<8} {random}".rstrip()


def list_cases(app: Flask) -> Iterator[tuple[Rule, str]]:
    rules = sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule)
    # Reading first; then acting.
    for method in METHODS:
        yield from ((rule, method) for rule in rules if method in (rule.methods or ()))


def word_for(answer: TestResponse) -> str:
    """What became of a request, in the table's words."""
    location = answer.headers.get("Location", "")
    if answer.status_code == 303 and location.startswith("/sign-in"):
        return "sign-in"
    if answer.status_code == 303 and location == "/waiting":
        return "waits"
    if answer.status_code in (401, 403):
        return str(answer.status_code)
    return "yes"


def is_fault(answer: TestResponse) -> bool:
    """Whether LUX made a mistake; health that fails answers 503 on purpose."""
    return answer.status_code >= 500 and answer.mimetype != "application/health+json"


@dataclass
class Asked:
    """What one address said to everybody."""

    key: Key
    cells: dict[str, str]
    foreign: str
    random: str


class Round:
    """One walk over all addresses, or those of one area. `complaints` are what nobody may live with."""

    def __init__(self, house: House, area: str = "") -> None:
        self.house = house
        self.area = area
        self.count = 0
        self.complaints: list[str] = []
        self.asked: dict[Key, Asked] = {}

    def walk(self) -> None:
        for rule, method in list_cases(self.house.app):
            if not rule.endpoint.startswith(self.area):
                continue
            key = (method, rule.endpoint)
            try:
                seen = self.look(rule, method)
            except AssertionError as error:
                self.complaints.append(str(error).splitlines()[0])
                continue
            known = self.asked.setdefault(key, seen)
            if known.cells != seen.cells:
                self.complaints.append(f"{method} {rule.rule} answers otherwise than its twin address")
        if missed := self.house.contents.compared():
            self.complaints.append(f"changed past the wire: {', '.join(sorted(missed))}")

    def look(self, rule: Rule, method: str) -> Asked:
        kinds = ("own", "foreign", "random") if rule.arguments else ("own",)
        addresses = {kind: self.house.address_of(rule, kind) for kind in kinds if kind != "own"}
        cells: dict[str, str] = {}
        others: dict[str, set[str]] = {"foreign": set(), "random": set()}
        for principal in PRINCIPALS:
            own, has_acted = self.ask(rule, method, principal, self.house.address_of(rule, "own", principal))
            cells[principal] = own
            for kind in kinds[1:]:
                other, acts_too = self.ask(rule, method, principal, addresses[kind])
                if own == "yes":
                    same = "nothing" if kind == "random" and has_acted and not acts_too else "same"
                    others[kind].add({"yes": same}.get(other, other))
                elif other != own:
                    told = f"{method} {rule.rule} tells {principal} a {kind} id from an own one: {own}, {other}"
                    self.complaints.append(told)
        if changed := self.house.contents.changed():
            self.complaints.append(f"{method} {rule.rule}: being refused changed {', '.join(sorted(changed))}")
            self.house.contents.restore(changed)
        foreign, random = ("/".join(sorted(others[kind])) or "-" for kind in ("foreign", "random"))
        return Asked((method, rule.endpoint), cells, foreign, random)

    def ask(self, rule: Rule, method: str, principal: str, address: str) -> tuple[str, bool]:
        """The word for what came back, and whether a row is another than before."""
        self.count += 1
        answer = self.house.ask(principal, method, address)
        word = word_for(answer)
        what = f"{method} {address} as {principal} answered {answer.status_code}"
        if is_fault(answer):
            self.complaints.append(what)
        if word != "yes" and rule.endpoint not in LEADS_TO_SIGN_IN:
            return word, False
        changed = self.house.contents.changed()
        if rule.endpoint in LEADS_TO_SIGN_IN and changed:
            word = "yes"
        acts = method != "GET" and word == "yes"
        wrongly = (
            changed
            - NOTED_OF.get(principal, set())
            - (NOTED_AT.get(rule.endpoint, set()) if method == "GET" else set())
        )
        if wrongly and not acts:
            self.complaints.append(f"{what} and changed {', '.join(sorted(wrongly))}")
        if changed:
            self.house.contents.restore(changed)
        return "404" if word == "yes" and answer.status_code == 404 else word, bool(changed)


@pytest.fixture(scope="module")
def walked(house: House) -> Round:
    walked = Round(house)
    walked.walk()
    return walked


def test_every_address_has_its_line_and_every_line_its_address(house: House, walked: Round) -> None:
    table = read_table()
    missing = [
        write_line(key, seen.cells, seen.foreign, seen.random) for key, seen in walked.asked.items() if key not in table
    ]
    assert not missing, (
        "These addresses have no line in tests/security/matrix.txt. This is how they answer now; ask product.md "
        "(Who uses it) whether each word is right, then add them:\n" + "\n".join(missing)
    )
    gone = [f"{method} {endpoint}" for method, endpoint in table if (method, endpoint) not in walked.asked]
    assert not gone, f"matrix.txt has lines for addresses that are not on the map: {gone}"


def list_unexpected(walked: Round, table: dict[Key, Row]) -> list[str]:
    unexpected = []
    for key, seen in walked.asked.items():
        if key not in table:
            continue
        row = table[key]
        said = {**row.cells, "foreign": row.foreign, "random": row.random}
        found = {**seen.cells, "foreign": seen.foreign, "random": seen.random}
        unexpected += [
            f"{' '.join(key)}: {name}: {found[name]}, not {said[name]}" for name in said if found[name] != said[name]
        ]
    return unexpected


def tell(walked: Round, unexpected: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        summary = f"{len(walked.asked)} addresses, {walked.count} requests, {len(unexpected)} unexpected"
        sys.stdout.write(f"\nmatrix: {summary}\n")


def test_everybody_gets_what_the_table_says(walked: Round, capsys: pytest.CaptureFixture[str]) -> None:
    unexpected = list_unexpected(walked, read_table())
    tell(walked, unexpected, capsys)
    assert unexpected == []


def test_where_replit_is_set_up_its_addresses_do_what_their_table_says(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with OidcProvider() as provider:
        replit = {"LUX_ENV": "development", "REPL_ID": provider.client_id, "ISSUER_URL": provider.issuer}
        with open_house(database_url, **replit) as house:
            walked = Round(house, "replit_auth.")
            walked.walk()
            asked = provider.asked("token")
    table = read_table(REPLIT_TABLE)
    lines = [write_line(key, one.cells, one.foreign, one.random) for key, one in walked.asked.items()]
    assert set(table) == set(walked.asked), "\n".join(lines)
    unexpected = list_unexpected(walked, table)
    tell(walked, unexpected, capsys)
    assert (unexpected, walked.complaints, asked) == ([], [], [])


def test_reading_and_being_refused_change_nothing_and_nothing_fails(walked: Round) -> None:
    assert walked.complaints == [], "\n".join(walked.complaints)


def test_no_address_takes_a_method_that_it_has_not_declared(house: House) -> None:
    for rule in house.app.url_map.iter_rules():
        declared = {
            method
            for other in house.app.url_map.iter_rules()
            if other.rule == rule.rule
            for method in other.methods or ()
        }
        for method in {*METHODS, "TRACE", "BREW"} - declared:
            answer = house.ask("owner", method, house.address_of(rule))
            assert answer.status_code == 405, (method, rule.rule, answer.status_code)
    assert house.contents.changed() == set()
