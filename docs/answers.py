"""Writes the answers into docs/sql.md, compares them, or times the questions.

    python3 docs/answers.py DATABASE            rewrites the answers
    python3 docs/answers.py --check DATABASE    compares; 1 if they differ
    python3 docs/answers.py --time DATABASE     ms of each, warm

In docs/sql.md each block "```sql" is one SELECT and the block "```text" behind
it its answer; "```sql example" is run but has none. The answers are those of
one database of the demo. The SAEs of the demo come out differently on other
kinds of processors; so the page keeps their fingerprints, and a database with
other SAEs need only have the same columns and a row for each question.

--as asks about something else, as in

    --as sae=1,layer=0,feature=5,head=L0H3,token=99,text=' the'

for a database that is not the demo's. With --time a question that takes more
than 50 ms ends in failure, unless the words above it say that it scans.
"""
import argparse
import contextlib
import difflib
import pathlib
import re
import sqlite3
import statistics
import sys
import time
import unicodedata

PAGE = pathlib.Path(__file__).with_name("sql.md")
LIMIT_MS = 50
SLOW_MS = 5000
WIDEST = 64  # columns of a cell
STAMP = re.compile(r"<!-- Answers of the SAEs ([0-9a-f ]*) -->\n")
HEADING = re.compile(r"^#+ (.*)$", re.M)
# A question, and its answer if it has one already.
BLOCK = re.compile(r"^```(sql|sql example)\n(.*?)^```\n"
                   r"(?:(\n```text\n)(.*?)^```\n)?", re.M | re.S)
# What --as puts elsewhere: name, in which words of a query.
PLACES = {
    "sae": r"(\bsae = )\d+",
    "layer": r"(\blayer = )\d+",
    "feature": r"(\bfeature (?:=|<>) )\d+",
    "other": r"(\bb\.feature = )\d+",  # behind feature, which takes it too
    "token": r"(\b(?:token|m\.id) = )\d+",
    "text": r"(\btext = )'(?:[^']|'')*'",
    "head": r"(\b(?:head_name|name) = )'L\d+H\d+'",
    "head number": r"(\bhead = )\d+",  # comes with head
}


class Question:
    def __init__(self, match, page):
        self.start, self.end = match.span()
        self.kind, self.sql, _, self.answer = match.groups()
        self.line = page.count("\n", 0, match.start()) + 1
        before = page[:match.start()]
        headings = list(HEADING.finditer(before))
        self.title = headings[-1][1] if headings else f"line {self.line}"
        # Only the words of this block, not those of another above it.
        words = before[headings[-1].end():] if headings else before
        self.scans = bool(re.search(r"\bscans?\b", words.rpartition("```")[2]))


def readable(value):
    """A value in one line that does no harm, on a terminal or in Markdown."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    if isinstance(value, int):
        return str(value)
    shown = "".join(
        "↵" if c == "\n" else
        c if c == " " or unicodedata.category(c)[0] in "LMNPS" else
        f"\\u{{{ord(c):x}}}" for c in value)
    # Three backticks would end the block.
    shown = re.sub("`{3,}", lambda run: "\\u{60}" * len(run[0]), shown)
    return shown


def width(text):
    return sum(0 if unicodedata.category(c)[0] == "M" else
               2 if unicodedata.east_asian_width(c) in "WF" else 1
               for c in text)


def cut(text, columns):
    if width(text) <= columns:
        return text
    while width(text) > columns - 1:
        text = text[:-1]
    return text + "…"


def table(columns, rows):
    """Text of aligned columns, numbers to the right. Strings of a column in
    which blanks begin or end one are quoted, as blanks would not be seen."""
    lines = [[column] for column in columns]
    right = []
    for i, cells in enumerate(lines):
        values = [row[i] for row in rows]
        strings = [v for v in values if isinstance(v, str)]
        quote = any(s != s.strip() for s in strings)
        for value in values:
            text = cut(readable(value), WIDEST)
            if quote and isinstance(value, str):
                text = f"'{text}'"
            cells.append(text)
        right.append(not strings and any(v is not None for v in values))
    out = []
    for row in zip(*lines):
        cells = []
        for text, cells_of, to_right in zip(row, lines, right):
            blanks = " " * (max(map(width, cells_of)) - width(text))
            cells.append(blanks + text if to_right else text + blanks)
        out.append("  ".join(cells).rstrip() + "\n")
    return "".join(out)


def ask(db, sql):
    """Columns and rows of one SELECT."""
    cursor = db.execute(sql)
    if cursor.description is None:
        raise sqlite3.Error("no SELECT")
    return [column[0] for column in cursor.description], cursor.fetchall()


def substitute(sql, places):
    for name in filter(places.get, PLACES):
        value = places[name]
        if name == "text":
            value = "'" + value.replace("'", "''") + "'"
        elif name == "head":
            sql = re.sub(PLACES["head number"],
                         rf"\g<1>{value.rpartition('H')[2]}", sql)
            value = f"'{value}'"
        sql = re.sub(PLACES[name], lambda m, v=value: m[1] + v, sql)
    return sql


def answers(db, questions, places):
    """Of each question: columns and rows; and what is wrong with which."""
    found, wrong = [], []
    for question in questions:
        try:
            columns, rows = ask(db, substitute(question.sql, places))
        except sqlite3.Error as error:
            columns, rows = [], []
            wrong.append((question, str(error)))
        else:
            if not rows and question.kind == "sql":
                wrong.append((question, "no row"))
        found.append((columns, rows))
    return found, wrong


def rewrite(page, questions, found, fingerprints):
    """The page with these answers, and a stamp of the SAEs they are of."""
    out, at = [], 0
    for question, (columns, rows) in zip(questions, found):
        out.append(page[at:question.start])
        out.append(f"```{question.kind}\n{question.sql}```\n")
        if question.kind == "sql":
            out.append(f"\n```text\n{table(columns, rows)}```\n")
        at = question.end
    text = "".join(out) + page[at:]
    stamp = f"<!-- Answers of the SAEs {' '.join(fingerprints)} -->\n"
    if STAMP.search(text):
        return STAMP.sub(stamp, text, count=1)
    return text.rstrip("\n") + "\n\n" + stamp


def compare_columns(questions, found):
    """Complaints about answers whose columns are others than the page's."""
    for question, (columns, _) in zip(questions, found):
        if question.kind == "sql":
            shown = (question.answer or "").partition("\n")[0].split()
            if shown != columns:
                yield (question, f"columns {' '.join(columns)}, on the page "
                       f"{' '.join(shown)}")


def report_times(db, questions, places):
    """Prints a line for each; whether all keep the limit."""
    good = True
    print(f"{'ms':>8}  rows  question")
    for question in questions:
        sql = substitute(question.sql, places)
        times = []
        # The first warms up; one that takes seconds is not asked again.
        while len(times) < 6 and (not times or times[0] < SLOW_MS):
            began = time.perf_counter()
            _, rows = ask(db, sql)
            times.append(1000 * (time.perf_counter() - began))
        median = statistics.median(times[1:] or times)
        note = ""
        if question.scans:
            note = " (scans)"
        elif median > LIMIT_MS:
            note = f" MORE THAN {LIMIT_MS} ms"
            good = False
        if question.kind != "sql":
            note += " (example)"
        print(f"{median:8.2f} {len(rows):5}  {question.title}{note}",
              flush=True)
    return good


def places_of(text):
    """name=value,... with values in quotes or not."""
    places = {}
    for name, value in re.findall(r"(\w+)=('(?:[^']|'')*'|[^,]*)", text):
        if name not in PLACES:
            sys.exit(f"--as {name}: not one of {', '.join(PLACES)}")
        if value.startswith("'"):
            value = value[1:-1].replace("''", "'")
        if not re.fullmatch({"text": r".*", "head": r"L\d+H\d+"}.get(
                name, r"\d+"), value):
            sys.exit(f"--as {name}={value}: not a value of {name}")
        places[name] = value
    return places


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("database")
    parser.add_argument("--page", type=pathlib.Path, default=PAGE)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--as", dest="places", type=places_of, default={})
    options = parser.parse_args()
    page = options.page.read_text(encoding="utf-8")
    questions = [Question(match, page) for match in BLOCK.finditer(page)]
    if not questions:
        sys.exit(f"{options.page} has no question")
    path = pathlib.Path(options.database).resolve()
    uri = f"{path.as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as db:
        if options.time:
            sys.exit(not report_times(db, questions, options.places))
        found, wrong = answers(db, questions, options.places)
        fingerprints = [row[0] for row in db.execute(
            "SELECT fingerprint FROM sae ORDER BY id")]
    stamp = STAMP.search(page)
    same = stamp is not None and stamp[1].split() == fingerprints
    if options.check and not same:
        wrong += compare_columns(questions, found)
    for question, why in wrong:
        print(f"{options.page}:{question.line}: {question.title}: {why}",
              file=sys.stderr)
    if wrong:
        sys.exit(1)
    new = rewrite(page, questions, found, fingerprints)
    if not options.check:
        options.page.write_text(new, encoding="utf-8")
    elif not same:
        print(f"{len(questions)} questions answered; the answers are of other "
              "SAEs, so only their columns were compared")
    elif new != page:
        sys.stderr.writelines(difflib.unified_diff(
            page.splitlines(True), new.splitlines(True),
            str(options.page), options.database))
        sys.exit(1)
    else:
        print(f"{len(questions)} questions, all answers the same")


if __name__ == "__main__":
    main()
