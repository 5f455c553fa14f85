"""The tables of docs/diagnosis.md say what is true now."""

from __future__ import annotations

from tests.diagnosis.table import PAGE, make_page


def test_the_page_is_as_the_rules_and_cases_make_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert make_page(page) == page, "run `python -m tests.diagnosis.table`"
