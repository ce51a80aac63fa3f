"""Prints docs/schema.md from store/schema.sql and store/views.sql.

    python3 docs/make_schema.py > docs/schema.md

Tables, columns and keys are what SQLite itself makes of the schema; words are
the schema's comments. In a comment, lines that are indented by more than one
space are kept as they are: lists, and SELECTs, which must be such as SQLite
takes.
"""
import pathlib
import re
import sqlite3
import textwrap

STORE = pathlib.Path(__file__).parents[1] / "store"


def blocks(text):
    """Comment lines and the statement that follows them at once, or None."""
    comment, statement = [], []
    for line in text.splitlines() + [""]:
        if statement or (line and not line.startswith("--")):
            statement.append(line)
            if line.endswith(";"):
                yield comment, "\n".join(statement)
                comment, statement = [], []
        elif line:
            comment.append(line[2:])
        elif comment:
            yield comment, None
            comment = []


def escape(text):
    return text.replace("<", "&lt;").replace("|", "\\|")


def prose(db, comment):
    """A comment as Markdown."""
    parts, kept = [[]], False
    for line in comment:
        if not line.strip():
            parts.append([])
            kept = False
        else:
            if line.startswith("  ") != kept and parts[-1]:
                parts.append([])
            kept = line.startswith("  ")
            parts[-1].append(line[1:])
    for part in filter(None, parts):
        if part[0].startswith(" "):
            code = textwrap.dedent("\n".join(part))
            kind = "sql" if code.startswith("SELECT") else "text"
            if kind == "sql":
                db.execute(code)
            yield f"```{kind}\n{code}\n```"
        else:
            yield escape(" ".join(part))


def column_comments(statement):
    """Of each column; a comment goes on until the next column begins."""
    comments, name = {}, None
    for line in statement.splitlines()[1:]:
        code, _, comment = line.partition("--")
        begins = re.match(r"    (\w+) (INTEGER|TEXT|REAL|BLOB)\b", code)
        if begins:
            name = begins[1]
        elif re.match(r"    [A-Z]|\)", code):
            name = None
        if name and comment:
            comments.setdefault(name, []).append(comment.strip())
    return {name: " ".join(lines) for name, lines in comments.items()}


def references(db, table):
    """[(columns, other table, its columns)], in the order of the schema."""
    keys = {}
    for number, _, other, column, to, *_ in db.execute(
            f"PRAGMA foreign_key_list({table})"):
        keys.setdefault(number, (other, [], []))
        keys[number][1].append(column)
        keys[number][2].append(to)
    return [(columns, other, to)
            for _, (other, columns, to) in sorted(keys.items(), reverse=True)]


def print_table(db, name, statement):
    words = column_comments(statement)
    alone = {columns[0]: other for columns, other, _ in references(db, name)
             if len(columns) == 1}
    print("| column | type | |\n|---|---|---|")
    for _, column, kind, needed, _, key in db.execute(
            f"PRAGMA table_info({name})"):
        text = escape(words.get(column, ""))
        if column in alone:
            link = f"→ [{alone[column]}](#{alone[column]})"
            text = f"{link}; {text}" if text else link
        null = "" if needed or key else ", may be NULL"
        print(f"| `{column}` | {kind.lower()}{null} | {text} |")
    print()
    keys = [row for row in db.execute(f"PRAGMA table_info({name})") if row[5]]
    primary = ", ".join(row[1] for row in sorted(keys, key=lambda r: r[5]))
    print(f"- primary key ({primary})")
    for columns, other, to in references(db, name):
        if len(columns) > 1:
            print(f"- ({', '.join(columns)}) → [{other}](#{other}) "
                  f"({', '.join(to)})")
    for _, index, unique, origin, partial in reversed(
            db.execute(f"PRAGMA index_list({name})").fetchall()):
        columns = ", ".join(row[2] for row in db.execute(
            f"PRAGMA index_info({index})"))
        if origin == "c":
            where = db.execute("SELECT sql FROM sqlite_schema WHERE name = ?",
                               (index,)).fetchone()[0].partition("WHERE ")[2]
            print(f"- index `{index}` ({columns})"
                  f"{' where ' + where if partial else ''}")
        elif origin == "u":
            print(f"- unique ({columns})")


def print_view(db, name):
    columns = ", ".join(f"`{row[1]}`" for row in
                        db.execute(f"PRAGMA table_info({name})"))
    print(f"Columns: {columns}.")


def main():
    text = "".join((STORE / name).read_text(encoding="utf-8")
                   for name in ("schema.sql", "views.sql"))
    db = sqlite3.connect(":memory:")
    db.executescript(text)
    print("# Schema\n\nMade from the schema that stands in every database "
          "(`sqlite3 FILE.db .schema`)\nby `docs/make_schema.py`; "
          "[sql.md](sql.md) asks it questions.")
    for comment, statement in blocks(text):
        made = re.match(r"CREATE (TABLE|VIEW) (\w+)", statement or "")
        if statement and not made:
            continue  # an index stands with its table
        comment = [c for c in comment if "SPDX" not in c]
        if made:
            print(f"\n## {made[2]}")
        elif comment[0].startswith(" Views."):
            print("\n# Views")
            comment[0] = comment[0].removeprefix(" Views.")
        for part in prose(db, comment):
            print(f"\n{part.strip()}")
        if made:
            print()
            if made[1] == "TABLE":
                print_table(db, made[2], statement)
            else:
                print_view(db, made[2])


if __name__ == "__main__":
    main()
