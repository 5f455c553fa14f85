"""Lets the model be asked again, once it has answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ai import CIRCUIT_SWITCH, find_circuit_wait
from extensions import db
from probes.base import TestResult
from probes.dependencies import ask_model
from receipts.switches import delete_switch, find_switch, turn_switch
from repairs.base import Outcome, Repair, Situation, checked


class CloseCircuit(Repair):
    """Tier A: should the model fail again, the circuit opens by itself after three calls."""

    id = "close_circuit"
    title = "Ask the model again"
    tier = "A"
    changes = "Ends the model's rest before its time; failures before this moment do not count any more."
    undo_words = "open_circuit; three failures in a row do it too"
    cooldown = timedelta(minutes=10)
    daily_limit = 24
    dependencies = ("model",)

    def find_obstacle(self, situation: Situation) -> str | None:
        if situation.settings.openai_api_key is None:
            return "No model is configured."
        switch = find_switch(CIRCUIT_SWITCH)
        if find_circuit_wait() <= 0:
            return "The model does not rest."
        if switch is not None and switch.is_on:
            # Else one run of repairs would close what it has opened a moment before.
            return f"{switch.changed_by} let it rest for a reason: undo that repair, or wait for its end."
        return None

    def dry_run(self, situation: Situation) -> str:
        return f"Turn the switch {CIRCUIT_SWITCH} off and ask the model for one word."

    def run(self, situation: Situation) -> Outcome:
        turn_switch(CIRCUIT_SWITCH, is_on=False, by=self.id, reason=situation.rule)
        db.session.commit()
        return Outcome("The model may be asked again.", {"rests": True}, {"rests": False}, {})

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        seen = ask_model()
        return checked("dependency", "ask the model for one word", "an answer", seen.text, passed=seen.passed)

    def undo(self, situation: Situation, undo: Mapping[str, Any]) -> str:
        delete_switch(CIRCUIT_SWITCH)
        return "The circuit stands as the last calls leave it."


REPAIR = CloseCircuit()
