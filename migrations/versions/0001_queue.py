"""The queue's own tables and functions, as Procrastinate 3.10 brings them."""

from __future__ import annotations

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The library's own file: a database made today gets the version that requirements.lock pins. When the pin moves,
    # a later migration runs the library's own migrations for the databases made before it.
    connection = op.get_bind().execution_options(no_parameters=True)
    connection.exec_driver_sql(SchemaManager.get_schema())


def downgrade() -> None:
    connection = op.get_bind().execution_options(no_parameters=True)
    connection.exec_driver_sql(
        """
        DO $$
        DECLARE found record;
        BEGIN
            DROP TABLE procrastinate_periodic_defers, procrastinate_events, procrastinate_jobs, procrastinate_workers
                CASCADE;
            FOR found IN SELECT oid::regprocedure AS name FROM pg_proc
                WHERE proname LIKE 'procrastinate\\_%' AND pronamespace = current_schema()::regnamespace
            LOOP EXECUTE format('DROP FUNCTION %s CASCADE', found.name); END LOOP;
            FOR found IN SELECT oid::regtype AS name FROM pg_type
                WHERE typname LIKE 'procrastinate\\_%' AND typnamespace = current_schema()::regnamespace
            LOOP EXECUTE format('DROP TYPE %s CASCADE', found.name); END LOOP;
        END $$;
        """
    )
