#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a database of many SAEs out of one: many_saes.py DATABASE OUT [N]

OUT gets N SAEs (12) of the layers 0, 1, ...: copies of DATABASE's first, whose
densities, maxima and shares differ a little, so that orders over all of them
have no ties. Where it has no sources (a planted one), 16 are made up for each
feature out of its strings. For tests/compare/viewer_load.py, nothing else.
"""
import os
import shutil
import sqlite3
import sys


def columns(db, table):
    return [c[1] for c in db.execute(f"PRAGMA table_info({table})")]


def make_sources(db):
    """As many of each feature's strings as there would be sources."""
    db.execute("""
        INSERT INTO feature_source_token
        SELECT sae, feature, n, vocab, 1.0 / (n + 1), count FROM (
            SELECT sae, feature, vocab, count, row_number() OVER (
                PARTITION BY feature ORDER BY count DESC, vocab) AS n
            FROM token_feature WHERE sae = 1)
        WHERE n <= 16""")
    db.execute("UPDATE sae SET source_tokens = tokens")


def copy_sae(db, tables, sae):
    """All rows of SAE 1 once more, as those of another."""
    change = {
        "sae": {"id": f"{sae}", "layer": f"{sae - 1}",
                "name": f"name || '-{sae}'",
                "fingerprint": f"printf('%032x', {sae})"},
        "head": {"name": f"printf('L%dH%d', {sae - 1}, head)"},
        "feature": {"density": f"density * (1 + 1e-4 * {sae})",
                    "max": f"max * (1 + 1e-4 * {sae})",
                    "top_share": f"top_share * (1 - 1e-4 * {sae})"},
    }
    for table in tables:
        values = {"sae": f"{sae}"} | change.get(table, {})
        names = columns(db, table)
        key = "id" if table == "sae" else "sae"
        db.execute(f"INSERT INTO {table} SELECT "
                   f"{', '.join(values.get(n, n) for n in names)} "
                   f"FROM {table} WHERE {key} = 1")


def main():
    source, out = sys.argv[1:3]
    n = int(sys.argv[3]) if len(sys.argv) > 3 else 12
    shutil.copyfile(source, out)
    db = sqlite3.connect(out)
    db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                     "PRAGMA cache_size = -256000; BEGIN;")
    tables = ["sae"] + [
        name for name, in db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'")
        if "sae" in columns(db, name)]
    if db.execute("SELECT count(*) FROM feature_source_token").fetchone()[0] \
            == 0:
        make_sources(db)
    for sae in range(2, n + 1):
        copy_sae(db, tables, sae)
    db.execute("COMMIT")
    print(f"{out}: {n} SAEs, "
          f"{db.execute('SELECT count(*) FROM feature').fetchone()[0]:,} "
          f"features, {os.path.getsize(out) / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
