"""The floors stay true: imports point downward, and each door of the house is used by whom it is meant for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOORS: dict[str, int] = {
    name: floor
    for floor, names in {
        13: "demo",
        12: "app",
        11: "routes commands supervisor",
        10: "pages replit_auth scheduler worker",
        9: "chatbot",
        8: "agents conversation",
        7: "auto_repair_service",
        6: "publishing planning repairs diagnostics analytics site_map",
        5: "campaigns creative diagnosis probes",
        4: "audience answers receipts",
        3: "accounts access ai error_logger error_events error_spool error_groups log_reader processes replit_provider",
        2: "models channels news",
        1: "extensions embedded_postgres schema",
        0: "config errors lib",
    }.items()
    for name in names.split()
}
# Two names on one floor that may know each other, and in which direction.
NEIGHBOURS = {
    ("access", "accounts"),
    ("config", "errors"),
    ("commands", "supervisor"),
    ("schema", "embedded_postgres"),
    ("error_logger", "error_spool"),
    ("error_logger", "error_events"),
    ("error_spool", "error_groups"),
    ("error_groups", "accounts"),
    ("replit_provider", "accounts"),
    ("replit_auth", "pages"),
    ("conversation", "agents"),
}
OUTSIDE = {"tests", "benchmarks", "migrations", "deploy"}
ENVIRONMENT = re.compile(r"\bos\.(environ|getenv|environb)\b")
NETWORK = {"socket", "smtplib", "ssl", "requests", "urllib3", "httpx", "aiohttp", "http.client", "urllib.request"}
MAY_CONNECT = {"channels", "ai", "replit_provider", "embedded_postgres", "supervisor"}
MAY_COMMIT = {
    "demo",
    "accounts",
    "audience",
    "analytics",
    "publishing",
    "campaigns",
    "creative",
    "planning",
    "agents",
    "receipts",
    "repairs",
    "auto_repair_service",
    "error_logger",
    "error_groups",
    "diagnostics",
    "ai",
    "chatbot",
    "conversation",
}


def list_modules() -> Iterator[tuple[str, Path, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).parts
        if parts[0] in OUTSIDE or parts[0].startswith(".") or parts[0] in ("var", "static"):
            continue
        yield parts[0].removesuffix(".py"), path, ast.parse(path.read_text(encoding="utf-8"))


def list_imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.lineno


def test_every_top_level_name_has_a_floor() -> None:
    assert {name for name, _, _ in list_modules()} <= set(FLOORS)


def test_imports_point_downward() -> None:
    wrong = []
    for name, path, tree in list_modules():
        for imported, line in list_imports(tree):
            other = imported.split(".")[0]
            is_own = other == name or (name, other) in NEIGHBOURS
            if other in FLOORS and not is_own and FLOORS[other] >= FLOORS[name]:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {imported}")
    assert wrong == []


def test_no_import_of_ours_stands_inside_a_function() -> None:
    wrong = []
    for _, path, tree in list_modules():
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                inside = [line for imported, line in list_imports(function) if imported.split(".")[0] in FLOORS]
                wrong += [f"{path.relative_to(ROOT)}:{line}" for line in inside]
    assert wrong == []


def test_only_config_reads_the_environment() -> None:
    assert [
        str(p.relative_to(ROOT))
        for name, p, _ in list_modules()
        if name != "config" and ENVIRONMENT.search(p.read_text())
    ] == []


def test_only_ai_imports_openai() -> None:
    wrong = [
        str(p)
        for name, p, tree in list_modules()
        for i, _ in list_imports(tree)
        if i.split(".")[0] == "openai" and name != "ai"
    ]
    assert wrong == []


def test_only_the_doors_open_network_connections() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {imported}"
        for name, path, tree in list_modules()
        for imported, line in list_imports(tree)
        if imported in NETWORK and name not in MAY_CONNECT
    ]
    assert wrong == []


def test_only_noun_packages_commit() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for name, path, tree in list_modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "commit" and name not in MAY_COMMIT
    ]
    assert wrong == []


def test_no_underscore_name_is_imported() -> None:
    wrong = []
    for _, path, tree in list_modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FLOORS:
                wrong += [
                    f"{path.relative_to(ROOT)}:{node.lineno}" for alias in node.names if alias.name.startswith("_")
                ]
    assert wrong == []


def test_every_file_opens_with_one_sentence() -> None:
    wrong = [str(p.relative_to(ROOT)) for _, p, tree in list_modules() if not ast.get_docstring(tree)]
    assert wrong == []


def test_the_floors_in_the_documents_are_these() -> None:
    rows = re.findall(r"^\| (\d+) \| (`.+`) \|$", (ROOT / "docs" / "contributing.md").read_text("utf-8"), re.MULTILINE)
    told = {
        name.removesuffix(".py").rstrip("/"): int(floor)
        for floor, names in rows
        for name in re.findall("`([^`]+)`", names)
    }
    assert told == FLOORS
