"""Reads a database with the programs of docs/readers.md and compares.

    python3 tests/interop/readers.py DATABASE

One question, and a count, through the sqlite3 shell, pandas, Datasette and
DuckDB; what they answer must be what Python's sqlite3 answers. Then what
docs/readers.md says of each must be so: NULLs in pandas, every view in DuckDB
and Datasette, count(*) in DuckDB. Needs the sqlite3 shell, pandas, datasette,
duckdb and duckdb-extension-sqlite-scanner of the same version.
"""
import json
import pathlib
import sqlite3
import subprocess
import sys

import duckdb
import duckdb_extension_sqlite_scanner
import pandas as pd

QUESTION = """SELECT before, text, value FROM {}top_tokens_of_feature
WHERE layer = {} AND feature = {} ORDER BY rank LIMIT 3"""
ROUGH = 1e-6  # the shell prints 15 digits


def same(got, want):
    assert len(got) == len(want) > 0, (got, want)
    for a, b in zip(got, want):
        assert tuple(a[:2]) == tuple(b[:2]), (a, b)
        assert abs(float(a[2]) - b[2]) <= ROUGH, (a, b)


def run(*command):
    return subprocess.run(command, check=True, capture_output=True,
                          text=True).stdout


def check_shell(path, question, want):
    rows = json.loads(run("sqlite3", "-readonly", "-json", path, question))
    same([tuple(row.values()) for row in rows], want)
    box = run("sqlite3", "-readonly", "-box", path, question)
    assert want[0][0].strip() in box and box.startswith("┌"), box
    print("sqlite3", run("sqlite3", "--version").split()[0])


def check_pandas(path, question, want):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    same(list(pd.read_sql(question, db).itertuples(index=False)), want)
    heads = "SELECT top_head FROM feature"
    plain = pd.read_sql(heads, db).top_head
    whole = pd.read_sql(heads, db, dtype_backend="numpy_nullable").top_head
    assert (plain.dtype == "float64") == plain.isna().any()
    assert whole.dtype == "Int64" and (whole.isna() == plain.isna()).all()
    print("pandas", pd.__version__)


def check_datasette(path, where, want, views):
    """views: whether each has a row for the feature"""
    datasette = pathlib.Path(sys.executable).parent / "datasette"
    name = pathlib.Path(path).stem

    def get(page):
        return json.loads(run(datasette, "-i", path, "--get",
                              f"/{name}/{page}"))
    rows = get("top_tokens_of_feature.json?_size=3&_shape=array&_col=before"
               "&_col=text&_col=value&_sort=rank" +
               "".join(f"&{k}={v}" for k, v in where.items()))
    same([(r["before"], r["text"], r["value"]) for r in rows], want)
    for view, any_row in views.items():
        rows = get(f"{view}.json?_size=1&_shape=array&layer={where['layer']}"
                   f"&feature={where['feature']}")
        assert bool(rows) == any_row, view
    print(run(datasette, "--version").strip())


def check_duckdb(path, where, want, tables, views):
    folder = pathlib.Path(duckdb_extension_sqlite_scanner.__file__).parent
    db = duckdb.connect()
    db.execute(f"LOAD '{next(folder.rglob('*.duckdb_extension'))}'")
    db.execute(f"ATTACH '{path}' AS hs (TYPE sqlite, READ_ONLY)")
    same(db.execute(QUESTION.format("hs.", *where.values())).fetchall(), want)
    listed = {row[0] for row in db.execute(
        "SELECT table_name FROM information_schema.tables "
        "WHERE table_catalog = 'hs'").fetchall()}
    assert set(tables) | set(views) <= listed, set(tables) - listed
    for name, count in tables.items():
        column = db.execute(f"DESCRIBE hs.{name}").fetchall()[0][0]
        got = db.execute(f"SELECT count({column}) FROM hs.{name}").fetchone()
        assert got == (count,), (name, got, count)
    for name, any_row in views.items():
        row = db.execute(f"SELECT * FROM hs.{name} WHERE layer = ? AND "
                         "feature = ? LIMIT 1", list(where.values()))
        assert (row.fetchone() is not None) == any_row, name
    try:
        db.execute("SELECT count(*) FROM hs.feature").fetchone()
        print("duckdb: count(*) without rowid works now; mend readers.md")
    except duckdb.Error as error:
        assert "ROWID" in str(error), error
    question = QUESTION.format("", *where.values()).replace("'", "''")
    same(db.execute(f"FROM sqlite_query('hs', '{question}')").fetchall(), want)
    print("duckdb", duckdb.__version__)


def main():
    path = sys.argv[1]
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    # A feature that has something in every view.
    layer, feature = db.execute(
        "SELECT s.layer, c.feature FROM head_code_count AS c "
        "JOIN sae AS s ON s.id = c.sae ORDER BY c.count DESC LIMIT 1"
    ).fetchone()
    where = {"layer": layer, "feature": feature}
    question = QUESTION.format("", layer, feature)
    want = db.execute(question).fetchall()
    tables = {name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
              for (name,) in db.execute("SELECT name FROM sqlite_schema "
                                        "WHERE type = 'table'")}
    views = {}
    for (name,) in db.execute("SELECT name FROM sqlite_schema "
                              "WHERE type = 'view'").fetchall():
        if where.keys() <= {row[1] for row in db.execute(
                f"PRAGMA table_info({name})")}:
            views[name] = db.execute(
                f"SELECT 1 FROM {name} WHERE layer = ? AND feature = ?",
                list(where.values())).fetchone() is not None
    assert sum(views.values()) > 5, views
    check_shell(path, question, want)
    check_pandas(path, question, want)
    check_datasette(path, where, want, views)
    check_duckdb(path, where, want, tables, views)


if __name__ == "__main__":
    main()
