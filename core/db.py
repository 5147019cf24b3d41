"""Statements compiled by Django, to be sent together with another one in a single round trip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connections, models
from django.db.models.sql import InsertQuery, UpdateQuery


@dataclass(frozen=True, slots=True)
class Write:
    """One INSERT or UPDATE and its parameters. It counts as done when it touches a row."""

    sql: str
    params: tuple[Any, ...]


def insert(*instances: models.Model, using: str = "default") -> Write:
    """Compile the INSERT of new instances of one model (primary keys already set)."""
    model = type(instances[0])
    fields = [field for field in model._meta.concrete_fields if not field.generated]
    query = InsertQuery(model)
    query.insert_values(fields, list(instances))
    ((sql, params),) = query.get_compiler(using=using).as_sql()
    return Write(sql, tuple(params))


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
        return bool(cursor.rowcount > 0)


def adapt_uuid(value: UUID | str, *, using: str = "default") -> Any:
    """Return a UUID as a raw statement's parameter on this database."""
    identifier = value if isinstance(value, UUID) else UUID(value)
    return identifier if connections[using].features.has_native_uuid_field else identifier.hex
