#!/usr/bin/env bash
# SQLAlchemy 2.1.9 on SQLite: a datetime bound to text() does not find the row that was stored with it.
#
# SQLite has no type for times: SQLAlchemy's DateTime writes `2026-11-01 00:00:00.000000`. One would expect the same
# value, bound to a query in text(), to be written in the same way. But text() knows no type of the column, so Python's
# own sqlite3 writes `2026-11-01 00:00:00`, and SQLite compares the two as texts. `=` finds nothing, `<=` leaves out the
# row at the border, `>` takes it in: a cut at midnight, of all times, moves rows from one day to the next.
# So since SQLAlchemy has a DateTime for SQLite; databases with a type for times are not concerned, so tests on SQLite
# and production differ. From Python 3.12 on the default adapter of sqlite3 is deprecated as well.
# For users: `bindparam("cut", type_=DateTime)`, or select() instead of text().
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile sqlalchemy==2.1.9
"$folder/venv/bin/python" -W ignore::DeprecationWarning - <<'PYTHON'
from datetime import datetime

import sqlalchemy as sa

midnight = datetime(2026, 11, 1)
table = sa.Table("visits", sa.MetaData(), sa.Column("at", sa.DateTime))
engine = sa.create_engine("sqlite://")
untyped, typed = {}, {}
with engine.begin() as connection:
    table.create(connection)
    connection.execute(table.insert(), {"at": midnight})
    for operator in ("=", "<=", ">"):
        query = sa.text(f"SELECT count(*) FROM visits WHERE at {operator} :cut")
        with_type = query.bindparams(sa.bindparam("cut", type_=sa.DateTime))
        untyped[operator] = connection.scalar(query, {"cut": midnight})
        typed[operator] = connection.scalar(with_type, {"cut": midnight})
print(f"one row at midnight, compared with midnight: text() {untyped}, with a type {typed}")
print(f"SQLAlchemy {sa.__version__}: a row at midnight is > midnight and not = or <= midnight: {untyped}")
raise SystemExit((untyped, typed) != ({"=": 0, "<=": 0, ">": 1}, {"=": 1, "<=": 1, ">": 0}))
PYTHON
