"""The append function, the triggers, and the instance log."""

import secrets
import uuid
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import migrations

from audit.domain.record import genesis

SQL = Path(__file__).resolve().parent.parent / "sql"


def install(_apps: Any, editor: Any) -> None:
    connection = editor.connection
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT quote_ident(current_schema())")
            (schema,) = cursor.fetchone()
            text = (SQL / "postgresql_1.sql").read_text(encoding="utf-8")
            cursor.execute(text.replace("{schema}", schema))
        else:
            text = (SQL / "sqlite_1.sql").read_text(encoding="utf-8")
            for statement in text.split("\n--\n"):
                cursor.execute(statement)


def open_instance_log(apps: Any, _editor: Any) -> None:
    origin = f"{settings.ORIGIN_HOST}/i/{secrets.token_hex(8)}"
    log = apps.get_model("audit", "AuditLog")
    first = genesis(origin)
    log.objects.create(id=uuid.uuid4(), origin=origin, size=0, last_leaf=first, prev_leaf=first)


class Migration(migrations.Migration):
    dependencies = (("audit", "0001_initial"),)
    operations = (
        migrations.RunPython(open_instance_log, migrations.RunPython.noop),
        migrations.RunPython(install),
    )
