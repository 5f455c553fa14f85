"""Forgets a provider's token that the provider does not take any more, and asks its owner to sign in again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, select, update

from extensions import db
from models import ErrorLog, ReplitOAuth, UserSession
from probes.base import TestResult
from repairs.base import FINAL, Outcome, Repair, RepairFailed, Situation, checked


class DropOauthToken(Repair):
    """Tier A: the token is dead already; signing in makes a new one."""

    id = "drop_oauth_token"
    title = "Drop the dead sign-in token"
    tier = "A"
    changes = "Deletes the provider's tokens of the people in this error and ends those sessions: they sign in again."
    undo_words = f"{FINAL}: the token was dead; signing in makes a new one"
    cooldown = timedelta(minutes=15)
    daily_limit = 24

    def find_obstacle(self, situation: Situation) -> str | None:
        return None if self._tokens(situation) else "The error names nobody who has a token of the provider."

    def dry_run(self, situation: Situation) -> str:
        rows = [
            f"delete token {token} of user {user}, end session {session}"
            for token, session, user in self._tokens(situation)
        ]
        return "\n".join(rows)

    def run(self, situation: Situation) -> Outcome:
        found = self._tokens(situation)
        if not found:
            raise RepairFailed("There is no such token any more.")
        ids, sessions = [row[0] for row in found], [row[1] for row in found]
        db.session.execute(delete(ReplitOAuth).where(ReplitOAuth.id.in_(ids)))
        db.session.execute(update(UserSession).where(UserSession.id.in_(sessions)).values(ended_at=datetime.now(UTC)))
        db.session.commit()
        return Outcome(f"{len(ids)} tokens were dropped; their owners sign in again.", {"tokens": ids}, {"tokens": []})

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        ids = list(outcome.before.get("tokens", []))
        left = db.session.scalar(select(func.count()).select_from(ReplitOAuth).where(ReplitOAuth.id.in_(ids))) or 0
        db.session.rollback()
        return checked("status", "look for the tokens", "none left", f"{left} left", passed=left == 0)

    def _tokens(self, situation: Situation) -> list[tuple[int, int, int]]:
        """Token, session and user of everybody whom the newest samples of the group name."""
        users = select(ErrorLog.user_id).where(ErrorLog.group_id == situation.group_id, ErrorLog.user_id.is_not(None))
        users = users.order_by(ErrorLog.id.desc()).limit(5)
        query = select(ReplitOAuth.id, UserSession.id, UserSession.user_id)
        query = query.join(UserSession, UserSession.id == ReplitOAuth.session_id)
        rows = db.session.execute(query.where(UserSession.user_id.in_(users)).order_by(ReplitOAuth.id)).all()
        db.session.rollback()
        return [(int(row[0]), int(row[1]), int(row[2])) for row in rows]


REPAIR = DropOauthToken()
