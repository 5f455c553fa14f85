"""The repairs that LUX knows, in the order of docs/repair.md. To add one, write repairs/<id>.py and list it here."""

from __future__ import annotations

from collections.abc import Sequence

from repairs import (
    close_circuit,
    dispose_pools,
    drain_spools,
    drop_oauth_token,
    end_idle_transactions,
    mark_noise,
    migrate_database,
    open_circuit,
    pause_channel,
    prune_files,
    reelect_clock,
    release_claims,
    reload_gunicorn,
    replay_intake,
    restart_unit,
    resume_channel,
    retry_job,
    slow_domain,
    start_database,
    stop_stale_process,
    use_fallback_model,
    vacuum_journal,
)
from repairs.base import Repair

REPAIRS: list[Repair] = [
    dispose_pools.REPAIR,
    end_idle_transactions.REPAIR,
    start_database.REPAIR,
    migrate_database.REPAIR,
    open_circuit.REPAIR,
    close_circuit.REPAIR,
    use_fallback_model.REPAIR,
    pause_channel.REPAIR,
    resume_channel.REPAIR,
    slow_domain.REPAIR,
    release_claims.REPAIR,
    retry_job.REPAIR,
    drain_spools.REPAIR,
    replay_intake.REPAIR,
    prune_files.REPAIR,
    drop_oauth_token.REPAIR,
    reelect_clock.REPAIR,
    mark_noise.REPAIR,
    reload_gunicorn.REPAIR,
    restart_unit.REPAIR,
    vacuum_journal.REPAIR,
    stop_stale_process.REPAIR,
]


def find_repair(key: str, repairs: Sequence[Repair] = ()) -> Repair | None:
    """The repair of that id, or None."""
    return next((repair for repair in (*repairs, *REPAIRS) if repair.id == key), None)
