"""Asks the configured fallback model alone, while the first one is unknown or gone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ai import MODEL_SWITCH, list_models
from extensions import db
from probes.base import TestResult
from probes.dependencies import ask_model
from receipts.switches import delete_switch, find_switch, turn_switch
from repairs.base import Outcome, Repair, Situation, checked


class UseFallbackModel(Repair):
    """Tier P: another model writes differently and costs differently."""

    id = "use_fallback_model"
    title = "Use the fallback model"
    tier = "P"
    changes = "Every agent and the chatbot ask OPENAI_FALLBACK_MODEL instead of OPENAI_MODEL."
    undo_words = "by one click: the first model is asked again"
    cooldown = timedelta(minutes=30)
    daily_limit = 6
    dependencies = ("model",)

    def find_obstacle(self, situation: Situation) -> str | None:
        if situation.settings.openai_fallback_model is None:
            return "OPENAI_FALLBACK_MODEL is not set: name a model there, or correct OPENAI_MODEL."
        switch = find_switch(MODEL_SWITCH)
        return "The fallback is in use already." if switch is not None and switch.is_on else None

    def dry_run(self, situation: Situation) -> str:
        settings = situation.settings
        return f"From now on ask {settings.openai_fallback_model} instead of {settings.openai_model}."

    def run(self, situation: Situation) -> Outcome:
        before = {"models": list_models()}
        turn_switch(MODEL_SWITCH, is_on=True, by=self.id, reason=situation.rule)
        db.session.commit()
        return Outcome("The fallback model is asked now.", before, {"models": list_models()}, {})

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        seen = ask_model()
        return checked("dependency", "ask the fallback for one word", "an answer", seen.text, passed=seen.passed)

    def undo(self, situation: Situation, undo: Mapping[str, Any]) -> str:
        delete_switch(MODEL_SWITCH)
        return f"{situation.settings.openai_model} is asked again."


REPAIR = UseFallbackModel()
