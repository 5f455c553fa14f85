"""What to do about a fault, in words: by the rule; with a key the model words the same steps for this very error.

The model chooses nothing: it gets the rule's own sentences and gives back one sentence for each. Whatever does not fit
is thrown away, and the rule's words stand.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

import ai

log = logging.getLogger("lux.repairs")

MODEL_SECONDS = 12.0
LONGEST_STEP = 300
UNWELCOME = re.compile(r"https?://|www\.|[<>`]|ACTION:", re.I)


@dataclass(frozen=True)
class Option:
    """A repair that fits: its id, its name, its tier and why it cannot run just now."""

    id: str
    title: str
    tier: str
    obstacle: str | None = None


def list_fix_steps(cause: str, advice: Sequence[str], trap: str, options: Sequence[Option]) -> list[str]:
    """The steps by the rule: what LUX does, what a person approves, what a person does."""
    steps = [_of_option(option) for option in options]
    steps += [sentence for sentence in advice if sentence]
    if trap:
        steps.append(f"Do not fall for this: {trap}")
    return steps or [f"Nobody knows a repair for this: {cause}"]


def word_by_model(rule: str, steps: Sequence[str], error_type: str) -> list[str]:
    """The same steps in the model's words, or as they are when there is no model or its answer does not fit."""
    if not steps or ai.find_obstacle() is not None:
        return list(steps)
    schema = {
        "type": "object",
        "properties": {"steps": {"type": "array", "items": {"type": "string"}}},
        "required": ["steps"],
        "additionalProperties": False,
    }
    told = {"rule": rule, "error_class": error_type.rpartition(".")[2][:60], "steps": list(steps)}
    question = ai.Question(
        "repair.wording",
        [
            {
                "role": "system",
                "content": "Reword each step for the operator of a server, one short plain sentence per step, in the "
                "same order and number. Add no step, no link, no command that is not in the step.",
            },
            {"role": "user", "content": json.dumps(told)},
        ],
        schema=schema,
        schema_name="fix_steps",
        longest_answer_tokens=600,
    )
    try:
        answer = json.loads(ai.ask(question, time_budget_seconds=MODEL_SECONDS).text)
    except (ai.ModelFailed, ValueError) as error:
        log.info("The model did not word the steps: %s", type(error).__name__)
        return list(steps)
    worded = answer.get("steps") if isinstance(answer, dict) else None
    if not isinstance(worded, list) or len(worded) != len(steps):
        return list(steps)
    return [new if _fits(new) else old for new, old in zip(worded, steps, strict=True)]


def _fits(worded: object) -> bool:
    return isinstance(worded, str) and 0 < len(worded) <= LONGEST_STEP and not UNWELCOME.search(worded)


def _of_option(option: Option) -> str:
    if option.obstacle:
        return f"{option.title} ({option.id}) is not possible now: {option.obstacle}"
    who = {"A": "LUX may do this by itself", "P": "approve its dry run", "H": "for a person"}[option.tier]
    return f"{option.title} ({option.id}): {who}."
