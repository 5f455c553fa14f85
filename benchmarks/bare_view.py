"""The yardstick of the webhook: a bare Flask view that upserts a contact with psycopg2 and does nothing else.

No credential, no inbox, no limits, no reading of anything but the four keys.
"""

from __future__ import annotations

import threading
from typing import Any

import psycopg2
from flask import Flask, jsonify, request

from config import load_settings

TABLE = """
    CREATE TABLE IF NOT EXISTS bare_contacts (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        email text NOT NULL UNIQUE, name text, phone text, source text)
"""
UPSERT = """
    INSERT INTO bare_contacts (email, name, phone, source) VALUES (%s, %s, %s, %s)
    ON CONFLICT (email) DO UPDATE SET name = excluded.name, phone = excluded.phone, source = excluded.source
    RETURNING id, xmax = 0
"""


class Kept(threading.local):
    """One connection per thread, as the webhook has them."""

    connection: Any = None


def create_app() -> Flask:
    """Builds the yardstick."""
    app = Flask("bare")
    url = load_settings().database_url
    kept = Kept()

    @app.post("/contact")
    def upsert() -> Any:
        if kept.connection is None:
            kept.connection = psycopg2.connect(url)
        fields = request.get_json()
        with kept.connection.cursor() as cursor:
            cursor.execute(UPSERT, (fields["email"], fields.get("name"), fields.get("phone"), fields.get("source")))
            contact_id, is_new = cursor.fetchone()
        kept.connection.commit()
        return jsonify({"id": contact_id, "status": "created" if is_new else "updated"}), 201 if is_new else 200

    return app
