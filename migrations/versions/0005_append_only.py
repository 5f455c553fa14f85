"""Rows that nobody changes afterwards: the database itself refuses. To guard a table, add it to TABLES. Written by hand.

Whoever owns the tables can take the triggers away again; LUX itself never does (docs/accounts.md).
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Each table, and its links to rows that may go: those alone may be let go (ON DELETE SET NULL).
TABLES: dict[str, tuple[str, ...]] = {
    "audit_entries": ("user_id",),
    "repair_receipts": (),
}

REFUSE = """
CREATE FUNCTION lux_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF to_jsonb(NEW) - TG_ARGV::text[] = to_jsonb(OLD) - TG_ARGV::text[]
            AND NOT EXISTS (
                SELECT FROM unnest(TG_ARGV::text[]) AS link
                WHERE to_jsonb(NEW) -> link IS DISTINCT FROM to_jsonb(OLD) -> link
                AND to_jsonb(NEW) ->> link IS NOT NULL
            )
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation', MESSAGE = TG_TABLE_NAME || ' is append-only: ' || TG_OP || ' is refused';
END
$$
"""


def upgrade() -> None:
    op.execute(REFUSE)
    for table, links in TABLES.items():
        arguments = ", ".join(f"'{link}'" for link in links)
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION lux_refuse_change({arguments})"
        )
        op.execute(
            f"CREATE TRIGGER {table}_never_emptied BEFORE TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION lux_refuse_change({arguments})"
        )


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
        op.execute(f"DROP TRIGGER {table}_never_emptied ON {table}")
    op.execute("DROP FUNCTION lux_refuse_change()")
