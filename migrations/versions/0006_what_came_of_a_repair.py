"""What came of a repair of the system."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

OUTCOMES = "outcome IN ('resolved_verified', 'quiet_unverified', 'still_failing', 'needs_human')"


def upgrade() -> None:
    op.add_column("repair_plans", sa.Column("outcome", sa.Text(), nullable=True))
    op.create_check_constraint(op.f("ck_repair_plans_outcome_known"), "repair_plans", OUTCOMES)


def downgrade() -> None:
    op.drop_constraint(op.f("ck_repair_plans_outcome_known"), "repair_plans", type_="check")
    op.drop_column("repair_plans", "outcome")
