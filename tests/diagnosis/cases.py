"""The cases of the suite: texts as real programs write them, each with the rule that must come first.

They stand in cases/*.txt: a line `=== name | rule | lines` begins a case; `lines` are those that must be cited.
To add a case, add it to the file of its family.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "cases"
FIXTURES = Path(__file__).parent.parent / "fixtures" / "ops_records.jsonl"
# What each of the given records tells of.
EXPECTED_OF_FIXTURES = {
    "pg_unique": "unique-violation",
    "pg_undefined_table": "schema-behind",
    "pg_undefined_column": "schema-behind",
    "pg_notnull": "not-null-violation",
    "pg_refused": "database-down",
    "pg_terminated": "database-connection-lost",
    "pg_toomany": "database-too-many-connections",
    "smtp_535": "mail-sign-in-refused",
    "smtp_421": "mail-throttled",
    "openai_401": "model-key-refused",
    "openai_quota": "model-quota",
    "openai_model": "model-not-found",
    "openai_timeout": "model-unreachable",
    "openai_nokey": "model-key-missing",
    "jwt_expired": "token-expired",
    "jwt_sig": "token-signature",
    "oauth_invalid_grant": "sign-in-token-expired",
    "jinja_notfound": "template-missing",
    "webhook_keyerror": "webhook-key-missing",
    "flask_400_json": "request-body-broken",
    "csv_unicode": "text-encoding",
    "enospc": "disk-full",
    "gunicorn_mix": "worker-boot-failed",
    "pg_password": "database-password",
}


@dataclass(frozen=True)
class Case:
    """One text and what must come of it. `kind` is the name of its file."""

    kind: str
    name: str
    rule: str
    text: str
    lines: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}-{self.name}"


def list_cases() -> list[Case]:
    """Every case: the given records, then the families."""
    return [*_list_fixtures(), *(case for path in sorted(FOLDER.glob("*.txt")) for case in _read(path))]


def _list_fixtures() -> list[Case]:
    rows = [json.loads(line) for line in FIXTURES.read_text(encoding="utf-8").splitlines()]
    return [Case("records", row["id"], EXPECTED_OF_FIXTURES[row["id"]], row["text"]) for row in rows]


def _read(path: Path) -> list[Case]:
    cases: list[Case] = []
    for block in path.read_text(encoding="utf-8").split("=== ")[1:]:
        head, _, text = block.partition("\n")
        name, rule, *cited = [part.strip() for part in head.split("|")]
        lines = tuple(int(number) for number in cited[0].split(",")) if cited else ()
        cases.append(Case(path.stem, name, rule, text, lines))
    return cases
