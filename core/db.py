"""Statements compiled by Django, to be sent together with another one in a single round trip."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import connections, models
from django.db.models.sql import UpdateQuery


@dataclass(frozen=True, slots=True)
class Write:
    """One INSERT or UPDATE and its parameters. It counts as done when it touches a row.

    A probe is a SELECT that has to find a row.
    """

    sql: str
    params: tuple[Any, ...]
    probe: bool = False


def insert(*instances: models.Model, using: str = "default") -> Write:
    """Return the INSERT of new instances of one model (primary keys already set).

    The text is kept per model: compiling it anew would cost as much as a small query.
    """
    model = type(instances[0])
    fields = _insertable(model)
    connection = connections[using]
    params = tuple(
        field.get_db_prep_save(field.pre_save(instance, add=True), connection)
        for instance in instances
        for field in fields
    )
    return Write(_insert_sql(model, len(instances), using), params)


@lru_cache(maxsize=256)
def _insertable(model: type[models.Model]) -> list[Any]:
    # An automatic key is the database's to choose.
    fields = model._meta.concrete_fields
    return [field for field in fields if not field.generated and not isinstance(field, models.AutoField)]


@lru_cache(maxsize=1_024)
def _insert_sql(model: type[models.Model], rows: int, using: str) -> str:
    quote = connections[using].ops.quote_name
    columns = ", ".join(quote(field.column) for field in _insertable(model))
    row = "(" + ", ".join(["%s"] * len(_insertable(model))) + ")"
    table = quote(model._meta.db_table)
    return f"INSERT INTO {table} ({columns}) VALUES {', '.join([row] * rows)}"  # noqa: S608 - model's own names


def update(queryset: models.QuerySet[Any], **values: Any) -> Write:
    """Compile `queryset.update(**values)` without running it."""
    query: Any = queryset.query.chain(UpdateQuery)
    query.add_update_values(values)
    sql, params = query.get_compiler(using=queryset.db).as_sql()
    return Write(sql, tuple(params))


def execute(write: Write, *, using: str = "default") -> bool:
    """Run one write alone; True when it touched a row."""
    with connections[using].cursor() as cursor:
        cursor.execute(write.sql, write.params)
        return cursor.fetchone() is not None if write.probe else bool(cursor.rowcount > 0)


def fetch_prepared(sql: str, params: list[Any], *, using: str = "default") -> list[Any]:
    """Run a statement that the server keeps parsed and planned (PostgreSQL), and fetch its rows.

    Django binds parameters in the client, so that the server parses and plans each statement anew; for
    our largest statement that is half of its time. Where queries are recorded, Django's cursor runs it.
    """
    connection = connections[using]
    if connection.queries_logged or not settings.PREPARED_STATEMENTS:
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            return list(cursor.fetchall())
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(sql, params, prepare=True)
        return cursor.fetchall()


def adapt_uuid(value: UUID | str, *, using: str = "default") -> Any:
    """Return a UUID as a raw statement's parameter on this database."""
    identifier = value if isinstance(value, UUID) else UUID(value)
    return identifier if connections[using].features.has_native_uuid_field else identifier.hex
