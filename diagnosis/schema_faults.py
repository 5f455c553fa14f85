"""Rules for what PostgreSQL refuses: a schema that is behind, rows that break its rules, transactions that collide."""

from __future__ import annotations

import re

from diagnosis.base import CODE, CONFIGURATION, Match, Rule, Scene, Sign, finds, words
from diagnosis.database import says
from diagnosis.offers import MIGRATE_DATABASE, RETRY_JOB
from extensions import Model

# The names that PostgreSQL puts into these messages, in its languages, old and new.
_COLUMN = re.compile(
    r'(?:column|Spalte|colonne) (?:"?(\w{1,63})"?\.)?"?(\w{1,63})"? '
    r'(?:(?:of relation|von Relation|de la relation) "(\w{1,63})" )?'
)
_RELATION = re.compile(r'(?:relation|Relation) "(?:\w{1,63}\.)?(\w{1,63})" ')
_ALIAS_NUMBER = re.compile(r"_\d+$")


def _behind(scene: Scene) -> Match | None:
    found = says(
        r"(?:relation|Relation) .{1,120} (?:does not exist|existiert nicht)",
        r"column .{1,120} does not exist",
        r"Spalte .{1,120} existiert nicht",
        r"la (?:relation|colonne) .{1,120} n'existe pas",
        r"(?:no such|missing) (?:table|column)",
        "Target database is not up to date",
        codes=("42P01", "42703", "3F000"),
        types=("UndefinedTable", "UndefinedColumn", "UndefinedTableError", "UndefinedColumnError", "InvalidSchemaName"),
    )(scene)
    health = finds(Sign(sources=("health",), words=words("^health migrations fail")))(scene)
    if found is None:
        return health
    signals = (*found.signals, *(health.signals if health else ()))
    name = next((name for signal in found.signals if (name := _name_of_missing(signal.said))), None)
    cause = f"{name} is not in the database, and the code expects it: a migration has not run, or a hand took it away."
    return Match(signals, found.confidence, cause=cause if name else "")


def _name_of_missing(said: str) -> str | None:
    """The table or column that a message misses, in words; only names that LUX has itself, for anybody may say any."""
    tables = Model.metadata.tables
    if column := _COLUMN.search(said):
        table, name = _ALIAS_NUMBER.sub("", column[3] or column[1] or ""), column[2]
        if table in tables and name in tables[table].columns:
            return f"The column {table}.{name}"
        if not table and any(name in one.columns for one in tables.values()):
            return f"A column {name}"
    elif (relation := _RELATION.search(said)) and relation[1] in tables:
        return f"The table {relation[1]}"
    return None


BEHIND = Rule(
    key="schema-behind",
    row="20",
    class_=CONFIGURATION,
    cause="The code expects a table or column that the database does not have: it is newer than the schema.",
    find=_behind,
    trap="Adding the column by hand makes the migration fail later. A wrong name in the code looks the same: "
    "compare the "
    "head of the migrations with the database first.",
    repairs=(MIGRATE_DATABASE,),
    advice=(
        "Compare: `flask --app app db current` with `flask --app app db heads`.",
        "If they differ: make a backup, then `flask --app app db upgrade`.",
        "If they are the same, the name in the code is wrong, or something was dropped by hand: restore it from "
        "the models.",
    ),
    explains=("database-transaction-broken", "worker-boot-failed"),
)
UNKNOWN_REVISION = Rule(
    key="schema-unknown-revision",
    row="20, neighbour",
    class_=CONFIGURATION,
    cause="The database is at a migration that this code does not know: an older release runs on a newer schema.",
    find=says(
        "Can't locate revision identified by",
        "Multiple head revisions are present",
        "No such revision or branch",
    ),
    trap="`db stamp` silences it and leaves the schema as it is.",
    advice=("Deploy the release that made the schema, or restore the backup from before the upgrade.",),
    explains=("worker-boot-failed", "systemd-unit-failed"),
)
MISSING_FUNCTION = Rule(
    key="schema-function-missing",
    row="20, neighbour",
    class_=CONFIGURATION,
    cause="A function, type or extension that the code uses is not in the database.",
    find=says(
        r"function .{1,120} does not exist",
        r"(?:type|extension|operator|sequence) .{1,120} (?:does not exist|is not available)",
        codes=("42883", "42704", "0A000"),
        types=("UndefinedFunction", "UndefinedObject", "UndefinedFunctionError"),
    ),
    repairs=(MIGRATE_DATABASE,),
    advice=("Run the migrations; check that the server has the extension, and the version that LUX expects.",),
)
UNIQUE = Rule(
    key="unique-violation",
    row="21",
    class_=CODE,
    cause="Two requests wrote the same unique value at once, or the code inserts what is there already.",
    find=says(
        "duplicate key value violates unique constraint",
        "doppelter Schlüsselwert verletzt Unique-Constraint",
        "la valeur d'une clé dupliquée rompt la contrainte unique",
        codes=("23505", "23P01"),
        types=("UniqueViolation", "UniqueViolationError"),
    ),
    trap="Never delete the row that is there. The DETAIL line holds a person's data: keep it out of tickets.",
    advice=("Write with INSERT … ON CONFLICT, or catch the violation and read the row that is there.",),
    gravity=0,
)
NOT_NULL = Rule(
    key="not-null-violation",
    row="21, neighbour",
    class_=CODE,
    cause="The code writes a row without a value that the table requires.",
    find=says(
        r"null value in column .{1,200} violates not-null constraint",
        r"NULL-Wert in Spalte .{1,200} verletzt Not-Null-Constraint",
        codes=("23502",),
        types=("NotNullViolation", "NotNullViolationError"),
    ),
    trap="Dropping the constraint moves the fault to every reader. The DETAIL line holds a person's data.",
    advice=(
        "Look which value was missing in the request, the import or the webhook, and refuse it there with a sentence.",
    ),
    gravity=0,
)
REFERENCE = Rule(
    key="reference-violation",
    row="21, neighbour",
    class_=CODE,
    cause="A row refers to another that is not there, or one was to be deleted that others refer to.",
    find=says(
        "violates foreign key constraint",
        codes=("23503", "23001"),
        types=("ForeignKeyViolation", "ForeignKeyViolationError", "RestrictViolation"),
    ),
    trap="Deleting by cascade may take more with it than you want.",
    advice=(
        "Look which of the two was deleted meanwhile; check before writing, or let the deletion clean up after itself.",
    ),
    gravity=0,
)
VALUE = Rule(
    key="value-refused",
    row="21, neighbour",
    class_=CODE,
    cause="PostgreSQL refuses a value: too long, of the wrong kind, or against a rule of the table.",
    find=says(
        "violates check constraint",
        "value too long for type",
        "invalid input (?:syntax|value) for",
        "invalid byte sequence for encoding",
        "unsupported Unicode escape sequence",
        r"(?:integer|numeric field|smallint|bigint) (?:out of range|overflow)",
        "cannot contain NUL",
        codes=("23514", "22001", "22P02", "22021", "22003", "22007", "22008", "22P05", "22023"),
        types=(
            "CheckViolation",
            "StringDataRightTruncation",
            "InvalidTextRepresentation",
            "NumericValueOutOfRange",
            "CharacterNotInRepertoire",
            "UntranslatableCharacter",
            "InvalidDatetimeFormat",
        ),
    ),
    advice=("Check the value where it enters LUX, and answer with a sentence beside the field.",),
    gravity=0,
)
SYNTAX = Rule(
    key="query-broken",
    row="21, neighbour",
    class_=CODE,
    cause="A query of the code is not valid SQL for this PostgreSQL.",
    find=says(
        r"syntax error at or near",
        r"could not determine data type",
        codes=("42601", "42P18", "42804", "42702", "42803", "42P10"),
        types=("DatatypeMismatch", "AmbiguousColumn", "GroupingError", "IndeterminateDatatype"),
    ),
    advice=("Roll the deploy back that brought the query, or mend it; the line LINE 1 marks the place.",),
    gravity=0,
)
DEADLOCK = Rule(
    key="deadlock",
    row="22",
    class_=CODE,
    cause="Two transactions waited for each other's rows; PostgreSQL ended one of them.",
    find=says(
        "deadlock detected",
        "Verklemmung entdeckt",
        "interblocage \\(?deadlock\\)? détecté|Bloquage mortel détecté",
        "could not serialize access",
        codes=("40P01", "40001"),
        types=("DeadlockDetected", "SerializationFailure", "DeadlockDetectedError", "SerializationError"),
    ),
    trap="Trying again and again without an order of locks only makes it rarer.",
    repairs=(RETRY_JOB,),
    advice=(
        "Once is harmless when the job is repeated; a job marked idempotent is tried again by itself.",
        "If it comes back: take the rows always in the same order (ORDER BY id FOR UPDATE).",
    ),
    explains=("database-transaction-broken",),
    gravity=0,
)
TRANSACTION = Rule(
    key="database-transaction-broken",
    row="22, neighbour",
    class_=CODE,
    cause="A session went on after one of its statements had failed: the first error is the cause, this is its echo.",
    find=says(
        "current transaction is aborted, commands ignored",
        "This Session's transaction has been rolled back",
        "Can't reconnect until invalid transaction is rolled back",
        codes=("25P02",),
        types=("InFailedSqlTransaction", "PendingRollbackError", "InFailedSQLTransactionError"),
    ),
    trap="Look for the error before it, in the same request id.",
    advice=(
        "Find the first error of the same request; roll back in an except clause before the session is used again.",
    ),
    gravity=0,
)
