"""The repairs that rules may name, each with its tier; repairs/ holds a file of the same name for each."""

from __future__ import annotations

from diagnosis.base import Offer

DISPOSE_POOLS = Offer("dispose_pools", "A")
END_IDLE_TRANSACTIONS = Offer("end_idle_transactions", "P")
START_DATABASE = Offer("start_database", "P", at_home="A", home="embedded")
MIGRATE_DATABASE = Offer("migrate_database", "P", at_home="A", home="development")
OPEN_CIRCUIT = Offer("open_circuit", "A")
CLOSE_CIRCUIT = Offer("close_circuit", "A")
USE_FALLBACK_MODEL = Offer("use_fallback_model", "P")
PAUSE_CHANNEL = Offer("pause_channel", "A")
RESUME_CHANNEL = Offer("resume_channel", "P")
SLOW_DOMAIN = Offer("slow_domain", "A")
RELEASE_CLAIMS = Offer("release_claims", "A")
RETRY_JOB = Offer("retry_job", "A")
DRAIN_SPOOLS = Offer("drain_spools", "A")
REPLAY_INTAKE = Offer("replay_intake", "P")
PRUNE_FILES = Offer("prune_files", "A")
DROP_OAUTH_TOKEN = Offer("drop_oauth_token", "A")
REELECT_CLOCK = Offer("reelect_clock", "A")
MARK_NOISE = Offer("mark_noise", "A")
RELOAD_GUNICORN = Offer("reload_gunicorn", "P")
RESTART_UNIT = Offer("restart_unit", "P")
VACUUM_JOURNAL = Offer("vacuum_journal", "P")
STOP_STALE_PROCESS = Offer("stop_stale_process", "P")
