"""The documents say what is true: settings, commands and links in them exist."""

from __future__ import annotations

import re
from pathlib import Path

from flask import Flask

from commands import lux
from config import SETTINGS
from diagnostics.health import CHECKS

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_readme_lists_every_setting_with_its_default() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for row in SETTINGS:
        default = f"`{row.default}`" if row.default else "none"
        assert f"| `{row.name}` | {default} | {row.meaning} |" in readme


def test_every_link_to_a_file_leads_somewhere() -> None:
    broken = [
        f"{document.name}: {target}"
        for document in DOCUMENTS
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text(encoding="utf-8"))
        if "://" not in target and not (document.parent / target).exists()
    ]
    assert broken == []


def test_every_lux_command_in_the_documents_exists() -> None:
    for document in DOCUMENTS:
        for name in re.findall(r"--app app lux ([a-z-]+)", document.read_text(encoding="utf-8")):
            assert name in lux.commands, (document.name, name)


def test_every_health_check_is_explained() -> None:
    text = (ROOT / "docs" / "diagnostics.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z_]+)` \| [^|]+ \| [^|]+ \|$", text.partition("## Health")[2], re.MULTILINE) == [
        check.key for check in CHECKS
    ]


def test_every_make_target_in_the_documents_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for document in DOCUMENTS:
        for name in re.findall(r"`make ([a-z-]+)", document.read_text(encoding="utf-8")):
            assert re.search(rf"^{name}:", makefile, re.MULTILINE), (document.name, name)


def test_every_address_in_the_documents_is_on_the_map(app: Flask) -> None:
    adapter = app.url_map.bind("localhost")
    for document in DOCUMENTS:
        for path in re.findall(
            r"`(/(?:api|livez|readyz|metrics|chatbot|auth)[a-z0-9_/-]*)`", document.read_text(encoding="utf-8")
        ):
            assert adapter.test(path, "GET") or adapter.test(path, "POST"), (document.name, path)
