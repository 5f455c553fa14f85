"""No sort, field, operator or word becomes SQL: only allow-lists and parameters (Mautic CVE-2026-3105, -4776)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.routing import Rule

from audience.rule_fields import FIELDS, OPERATORS
from tests.security.house import House

ROOT = Path(__file__).resolve().parents[2]
PAYLOADS = (
    "'",
    '"',
    "\\",
    "';--",
    "' OR '1'='1",
    "1; DROP TABLE contacts;--",
    "1 OR 1=1",
    "id) FROM users;--",
    "name; SELECT 1",
    "email DESC, (SELECT password_hash FROM users LIMIT 1)",
    "CASE WHEN 1=1 THEN id ELSE email END",
    "id,pg_sleep(9)",
    "(SELECT 1 FROM pg_sleep(9))",
    "1/0",
    "id UNION SELECT password_hash FROM users",
    "{}",
    "%",
    "_",
    "%%s",
    "$1",
    ":name",
    "\x00",
    "ORDER BY 1",
    "created_at::text",
    "-1",
    "99999999999999999999",
    "1e309",
    "NaN",
    "0x10",
    "NULL",
    "attributes->>'x'",
    "attributes.a'b",
    'attributes.a"b',
    "attributes.%s",
    "__class__",
    "\ud7ff\uffff",
    "ａ",
    "a\u2028b",
    "' || pg_read_file('/etc/passwd') || '",
)
# Lists with filters of their own.
WITH_ALL_ARGUMENTS = {
    "contacts.index",
    "campaigns.index",
    "diagnostics.groups",
    "diagnostics_logs.index",
    "audit.index",
}
LISTS = (
    "/contacts/",
    "/campaigns/",
    "/segments/",
    "/webhook-inbox/",
    "/diagnostics/groups",
    "/palette/",
    "/api/diagnostics/errors",
)
# What a database tells when a word became part of a statement.
TOLD = ("syntax error", "psycopg", "sqlalchemy", "SELECT ", "password_hash", "$argon2", "root:x:0")


def argument_names() -> list[str]:
    """Every name that some page reads from its address or a form."""
    names: set[str] = set()
    for path in [*(ROOT / "pages").rglob("*.py"), *(ROOT / "audience").rglob("*.py")]:
        names |= set(re.findall(r"(?:args|form|values|arguments)\.(?:get|getlist)\(\"(\w+)\"", path.read_text()))
        names |= set(re.findall(r"_number\(arguments, \"(\w+)\"", path.read_text()))
    return sorted(
        names | {"sort", "order", "direction", "by", "field", "operator", "filter", "where", "columns", "group"}
    )


ARGUMENTS = argument_names()
OPERATOR_NAMES = sorted({name for some in OPERATORS.values() for name in some})


def list_reads(house: House) -> list[Rule]:
    rules = [rule for rule in house.app.url_map.iter_rules() if "GET" in (rule.methods or set())]
    return [
        rule for rule in rules if not rule.endpoint.startswith(("assets.", "replit_auth.", "health.", "styleguide."))
    ]


def test_the_arguments_are_found() -> None:
    assert {"q", "after", "before", "state", "segment_id", "severity", "hours"} <= set(ARGUMENTS)


@pytest.mark.parametrize("first", range(0, len(PAYLOADS), 3))
def test_no_argument_of_any_page_becomes_part_of_a_statement(house: House, first: int) -> None:
    """Every argument at once, each with a payload of its own; the next case moves them on by three."""
    words = {name: PAYLOADS[(first + number) % len(PAYLOADS)] for number, name in enumerate(ARGUMENTS)}
    for rule in list_reads(house):
        answer = house.ask("owner", "GET", house.address_of(rule), query_string=words)
        assert answer.status_code < 500 or answer.mimetype == "application/health+json", rule.rule
        if answer.mimetype == "application/json":
            assert not [word for word in TOLD if word in answer.get_data(as_text=True)], rule.rule
    errors = house.contents.connection.execute(
        "SELECT count(*) FROM error_groups WHERE title LIKE '%%SQL%%'"
    ).fetchone()
    assert errors == (0,)


@pytest.mark.parametrize("word", ["\x00", "a\x00b"])
def test_a_nul_alone_in_an_argument_brings_no_page_down(house: House, word: str) -> None:
    """Alone, for beside a wrong argument it would not get as far as the database."""
    for rule in list_reads(house):
        for name in ARGUMENTS if rule.endpoint in WITH_ALL_ARGUMENTS else ("q", "after", "state", "endpoint"):
            answer = house.ask("owner", "GET", house.address_of(rule), query_string={name: word})
            assert answer.status_code < 500 or answer.mimetype == "application/health+json", (rule.rule, name)
    for name in ("q", "endpoint", "severity"):
        answer = house.ask("token", "GET", "/api/diagnostics/errors", query_string={name: word})
        assert answer.status_code == 400


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    field=st.one_of(st.sampled_from(sorted(FIELDS)), st.sampled_from(PAYLOADS), st.text(max_size=30)),
    operator=st.one_of(st.sampled_from(OPERATOR_NAMES), st.sampled_from(PAYLOADS), st.text(max_size=20)),
    value=st.one_of(
        st.sampled_from(PAYLOADS), st.text(max_size=40), st.integers(), st.none(), st.lists(st.text(max_size=5))
    ),
)
def test_no_rule_of_a_segment_becomes_part_of_a_statement(house: House, field: str, operator: str, value: Any) -> None:
    rules = {"match": "all", "rules": [{"field": field, "operator": operator, "value": value}]}
    form = {"name": "Planted", "match": "all", "rules.0.field": field, "rules.0.operator": operator}
    form |= {"rules.0.value": str(value), "rules.0.key": field}
    for address in ("/segments/preview", "/segments/editor", "/segments/new"):
        assert house.ask("owner", "POST", address, data=form).status_code < 500
    assert house.ask("owner", "GET", "/segments/new", query_string={"rules": json.dumps(rules)}).status_code < 500
    count = house.contents.connection.execute("SELECT count(*) FROM users").fetchone()
    assert count is not None and count[0] > 5


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)
@given(
    address=st.sampled_from(LISTS),
    words=st.dictionaries(st.sampled_from(ARGUMENTS), st.one_of(st.sampled_from(PAYLOADS), st.text(max_size=30))),
)
def test_no_mixture_of_arguments_brings_a_list_down(house: House, address: str, words: dict[str, str]) -> None:
    principal = "token" if address.startswith("/api/") else "owner"
    assert house.ask(principal, "GET", address, query_string=words).status_code < 500
