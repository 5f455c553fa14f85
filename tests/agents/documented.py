"""What docs/agents.md says that each task proposes: by "agent.task", the keys of actions."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from agents import AGENTS
from agents.actions import ACTIONS

DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs" / "agents.md"


@cache
def read_documented() -> dict[str, frozenset[str]]:
    """The rows of the table, in its order; a row that names no task or action of LUX raises KeyError."""
    agents = {agent.label: agent for agent in AGENTS}
    actions = {action.label: action.key for action in ACTIONS}
    found: dict[str, frozenset[str]] = {}
    agent = AGENTS[0]
    for line in DOCUMENT.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| ") or len(cells) != 4 or cells[0] == "agent":
            continue
        agent = agents[cells[0].strip("*")] if cells[0] else agent
        task = {one.label: one for one in agent.tasks}[cells[1]]
        named = [words for words in cells[3].split("; ") if words != "–"]
        found[f"{agent.key}.{task.key}"] = frozenset(actions[words] for words in named)
    return found
