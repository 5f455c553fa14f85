"""Lets the model rest: calls that would fail or hang are not made, and playbooks go on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ai import CIRCUIT_SWITCH, find_circuit_wait
from extensions import db
from probes.base import TestResult
from receipts.switches import delete_switch, turn_switch
from repairs.base import Outcome, Repair, Situation, checked

REST = timedelta(minutes=30)


class OpenCircuit(Repair):
    """Tier A: it ends by itself. It spares workers and money; the cause is the provider's or the account's."""

    id = "open_circuit"
    title = "Let the model rest"
    tier = "A"
    changes = "For 30 minutes no model is asked; agents and chatbot answer from their playbooks."
    undo_words = "close_circuit, or wait for its end"
    cooldown = timedelta(minutes=30)
    daily_limit = 24
    dependencies = ("model",)
    only_contains = True

    def find_obstacle(self, situation: Situation) -> str | None:
        if situation.settings.openai_api_key is None:
            return "No model is configured, so there is nothing to rest."
        return "The model rests already." if find_circuit_wait() > 60 else None

    def dry_run(self, situation: Situation) -> str:
        return f"Turn the switch {CIRCUIT_SWITCH} on for {REST.seconds // 60} minutes from the moment it runs."

    def run(self, situation: Situation) -> Outcome:
        before = {"rests": find_circuit_wait() > 0}
        until = datetime.now(UTC) + REST
        turn_switch(CIRCUIT_SWITCH, is_on=True, by=self.id, reason=situation.rule, value=until.isoformat())
        db.session.commit()
        return Outcome(f"The model rests until {until:%H:%M} UTC.", before, {"rests_until": until.isoformat()}, {})

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        wait = find_circuit_wait()
        return checked("configuration", "look at the circuit", "open", f"open for {wait:.0f} s", passed=wait > 0)

    def undo(self, situation: Situation, undo: Mapping[str, Any]) -> str:
        delete_switch(CIRCUIT_SWITCH)
        return "The model may be asked again."


REPAIR = OpenCircuit()
