"""docs/security.md says what is true: every known mistake has a test, every test that it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The mistakes of others that LUX has answers to, by what only their row says.
MISTAKES = (
    "CVE-2025-49136", "CVE-2025-58430", "CVE-2026-21483", "CVE-2026-34828", "listmonk 3063", "CVE-2018-10189",
    "CVE-2025-5257", "CVE-2024-47050", "CVE-2018-8092", "CVE-2022-25777", "CVE-2024-47051", "CVE-2026-3105",
    "CVE-2024-47053", "CVE-2024-47055", "CVE-2024-47057", "CVE-2024-47056", "CVE-2025-22146", "CVE-2026-34975",
    "CVE-2022-25295", "GHSA-fp6h-63w4-5hcm", "GHSA-5x67-j5xg-c5gj", "gunicorn before 22", "2508.06394",
    "prints a password", "spending without a limit",
)  # fmt: skip


def read_rows() -> list[tuple[str, list[str]]]:
    """The rows of the table of mistakes, and the tests that each names."""
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8").partition("## Every known mistake")[2]
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    return [(row, re.findall(r"`(tests/[\w/]+\.py::\w+)`", row.split("|")[3])) for row in rows]


def test_every_known_mistake_has_a_row_and_every_row_a_test() -> None:
    rows = read_rows()
    assert len(rows) >= len(MISTAKES)
    assert [row for row, tests in rows if not tests] == []
    for mistake in MISTAKES:
        assert sum(mistake in row for row, _ in rows) == 1, mistake


def test_every_test_that_is_named_exists_and_is_no_shell() -> None:
    for row, tests in read_rows():
        for name in tests:
            path, _, function = name.partition("::")
            assert (ROOT / path).is_file(), name
            found = {
                node.name: node
                for node in ast.parse((ROOT / path).read_text()).body
                if isinstance(node, ast.FunctionDef)
            }
            assert function in found, name
            decorators = " ".join(ast.unparse(one) for one in found[function].decorator_list)
            assert "skip" not in decorators and "xfail" not in decorators, name
            has_claim = any(isinstance(node, ast.Assert | ast.With | ast.Call) for node in ast.walk(found[function]))
            assert has_claim, (row, name)
