"""What a database holds, table by table: a digest to compare, and a way back to how it was."""

from __future__ import annotations

from dataclasses import dataclass, field

import psycopg

# A migration's number is no content, and the queue's own tables belong to its library.
LEFT_OUT = ("alembic_version",)
# Columns that a look may write, because nobody has acted by it.
NOTES = {
    "user_sessions": ("seen_at",),  # when a session was last used
    "webhook_credentials": ("used_at",),  # when a credential was last used
    "campaigns": ("dry_run",),  # what preflight found, kept until the content changes
}


@dataclass
class Contents:
    """The tables of one database. `keep()` notes them as they are; `restore()` puts back what differs from that."""

    connection: psycopg.Connection
    tables: list[str] = field(default_factory=list)
    kept: dict[str, bytes] = field(default_factory=dict)
    kept_digests: dict[str, str] = field(default_factory=dict)
    seen_touches: int = -1

    def __post_init__(self) -> None:
        rows = self.connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        self.tables = [name for (name,) in rows if name not in LEFT_OUT]
        columns = self.connection.execute(
            "SELECT table_name, string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position)"
            " FROM information_schema.columns WHERE table_schema = 'public' AND is_generated = 'NEVER' GROUP BY 1"
        )
        self.columns: dict[str, str] = dict(columns.fetchall())
        self.question = " UNION ALL ".join(question_about(name) for name in self.tables)

        self._stretch_wire()

    def _stretch_wire(self) -> None:
        """A sequence that moves whenever a row is touched: hashing all tables is only worth it then."""
        self.connection.execute("CREATE SEQUENCE touched")
        self.connection.execute(
            "CREATE FUNCTION note_touch() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM nextval('touched'); RETURN NULL; END $$"
        )
        for name in self.tables:
            self.connection.execute(
                f'CREATE TRIGGER touched AFTER INSERT OR UPDATE OR DELETE ON "{name}" FOR EACH ROW'
                " EXECUTE FUNCTION note_touch()"
            )
            self.connection.execute(f'CREATE TRIGGER emptied AFTER TRUNCATE ON "{name}" EXECUTE FUNCTION note_touch()')

    def touches(self) -> int:
        """How often a row was touched so far, in transactions that were rolled back too."""
        row = self.connection.execute("SELECT last_value FROM touched").fetchone()
        return int(row[0]) if row else 0

    def digests(self) -> dict[str, str]:
        """One digest for each table's rows."""
        return dict(self.connection.execute(self.question).fetchall())

    def changed(self) -> set[str]:
        """The tables that are not as they were kept."""
        touches = self.touches()
        return set() if touches == self.seen_touches else self.compared(touches)

    def compared(self, touches: int = -1) -> set[str]:
        """The same by hashing all of them, whatever the wire says."""
        now = self.digests()
        wrong = {name for name in self.tables if now[name] != self.kept_digests[name]}
        if not wrong:
            self.seen_touches = touches
        return wrong

    def changed_among(self, names: tuple[str, ...]) -> set[str]:
        """The same for a few tables, without hashing the others."""
        question = " UNION ALL ".join(question_about(name) for name in names)
        now: dict[str, str] = dict(self.connection.execute(question).fetchall())
        return {name for name in names if now[name] != self.kept_digests[name]}

    def keep(self) -> None:
        """Notes every table as it is now."""
        for name in self.tables:
            with self.connection.cursor().copy(f'COPY "{name}" ({self.columns[name]}) TO STDOUT') as copy:
                self.kept[name] = b"".join(bytes(part) for part in copy)
        self.seen_touches = self.touches()
        self.kept_digests = self.digests()

    def restore(self, names: set[str]) -> None:
        """Puts those tables back, past all foreign keys: together they were sound when they were kept."""
        with self.connection.transaction(), self.connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            for name in names:
                cursor.execute(f'DELETE FROM "{name}"')
                with cursor.copy(f'COPY "{name}" ({self.columns[name]}) FROM STDIN') as copy:
                    copy.write(self.kept[name])


def question_about(table: str) -> str:
    """The digest of a table's rows, without its notes."""
    notes = ", ".join(f"'{column}'" for column in NOTES.get(table, ()))
    row = f"(to_jsonb(t) - ARRAY[{notes}])::text" if notes else "t::text"
    return f"SELECT '{table}', coalesce(md5(string_agg({row}, ',' ORDER BY {row})), '') FROM \"{table}\" t"
