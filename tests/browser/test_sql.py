# SPDX-License-Identifier: MIT
"""The SQL page in Chromium: questions chosen, edited, run, stopped, linked."""
import os
from urllib.parse import parse_qs, quote

from browser import Keys, Server
from planted import HOSTILE, plant
from reading import equal, run_all

BOMB = ("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"
        " SELECT count(*) FROM c")


def cells(b):
    return b.texts("#answer td")


def address(b, name):
    return parse_qs(b.query(), keep_blank_values=True).get(name, [None])[0]


def write(b, sql):
    """Types a question as a person does."""
    b.wait(lambda: b.all("#sql"), "editor")
    b.type("#sql", sql)


def test_a_question_of_the_docs(b):
    """Chosen from the list it runs, with what it asks about to be changed."""
    b.open("?page=sql")
    b.shows("h1", "Ask the database")
    b.wait(lambda: len(b.all(".asks a")) > 50, "questions and tables")
    b.click_text(".asks a", "At which token strings is it active?")
    b.shows("h1", "At which token strings is it active?")
    # The demo's layer 2 is not here; feature 117 is not either.
    equal(address(b, "p.layer"), "0")
    b.shows("#answer", "No row")
    field = b.one('.params input[name="feature"]')
    field.clear()
    field.send_keys("1", Keys.ENTER)
    b.wait(lambda: cells(b)[:1] == [" Lily"], "the string of feature 1")
    equal(address(b, "p.feature"), "1")
    equal(b.texts("#answer th"), ["text", "count", "share", "max"])
    # The address holds it all.
    b.open("?" + b.query())
    b.wait(lambda: cells(b)[:1] == [" Lily"], "the same answer")
    equal(b.one('.params input[name="feature"]').get_attribute("value"), "1")
    b.back()
    b.shows("h1", "At which token strings is it active?")


def test_every_question_runs(b):
    b.open("?page=sql")
    b.wait(lambda: len(b.all(".asks a")) > 50, "questions and tables")
    titles = b.js("return [...document.querySelectorAll('.asks a:not(.mono)')]"
                  ".map(a => a.getAttribute('href'))")
    assert len(titles) >= 36, titles
    for href in titles:
        b.open(href)
        b.wait(lambda: b.texts("#answer h2, #answer .state"), "an answer")
        b.wait(lambda: "Asking" not in b.text("#answer"), "its end")
        assert not b.all("#answer [role=alert]"), (href, b.text("#answer"))


def test_an_own_question(b):
    b.open("?page=sql")
    write(b, "SELECT sae, feature, max FROM feature WHERE feature < :n"
             " AND sae = 2 ORDER BY feature")
    equal(b.texts(".params .mono"), [":n"])
    b.type('.params input[name="n"]', "3")
    b.one("#sql").send_keys(Keys.CONTROL, Keys.ENTER)
    b.wait(lambda: b.text("#answer h2") == "3 rows", "three rows")
    equal(address(b, "p.n"), "3")
    links = b.all("#answer td a")
    equal([a.text for a in links], ["0", "1", "2"])
    for form in "csv", "json":
        href = b.named("#answer .cap a", form).get_attribute("href")
        text = b.js("return fetch(arguments[0]).then(r => r.text())", href)
        assert ("2,1," if form == "csv" else "[2,1,") in text, text
    links[1].click()
    b.wait(lambda: b.text("h1.id") == "1:1", "the feature's page")


def test_says_why_not(b):
    for sql, words in {"DELETE FROM sae": "DELETE is not allowed here",
                       "SELECT * FROM none_such": "no such table: none_such",
                       "SELECT 1; SELECT 2": "more than one statement",
                       BOMB: "stopped after 2 seconds"}.items():
        b.open("?page=sql&q=" + quote(sql))
        b.shows("#answer [role=alert]", words)
    noted = []  # Chromium notes each status of 400, in its own time
    b.wait(lambda: noted.extend(b.complaints()) or len(noted) >= 4, "complaints")
    equal(len(noted), 4)
    b.open("?page=sql&q=" + quote("SELECT a.id FROM token a, token b"))
    b.shows("#answer h2", "The first 1,000 rows")
    b.shows("#answer", "there are more")


def test_stops(b):
    """The answer is no longer waited for, and the next question is asked."""
    b.open("?page=sql&q=" + quote(BOMB))
    b.click_text("#answer .btn", "Stop")
    b.shows("#answer", "Stopped.")
    write(b, "SELECT 42")
    b.click("#run")
    b.wait(lambda: cells(b) == ["42"], "the next answer")


def test_text_is_text(b):
    b.open("?page=sql&q=" + quote("SELECT text, bytes, NULL, 9007199254740993 "
                                  "FROM vocab ORDER BY id"))
    b.wait(lambda: cells(b), "rows")
    shown = cells(b)[::4]
    assert HOSTILE["markup"] in shown, shown
    assert not b.js("return window.hit")
    assert "x'E280'" in cells(b)[1::4]
    assert "\\u202edesrever" in shown, shown  # written out
    equal(set(cells(b)[2::4]), {"NULL"})
    equal(set(cells(b)[3::4]), {"9007199254740993"})
    long = next(cell for cell in shown if cell.startswith("longlong"))
    assert len(long) == 301, len(long)


def test_keys(b):
    b.open("?page=sql")
    b.wait(lambda: len(b.all(".asks a")) > 50, "questions and tables")
    b.press("j", "j")
    b.shows("h1", "At which token strings is it active?")
    b.press("k")
    b.shows("h1", "At which tokens is a feature strongest?")
    b.press("f")
    b.press("no such thing")
    b.shows(".asks", "No question has these words.")
    b.press(Keys.ESCAPE, "e")
    equal(b.js("return document.activeElement.id"), "sql")
    b.press(Keys.ESCAPE, "g", "f")
    b.shows("#count", "features")
    b.press("g", "s")
    b.shows("h1", "Ask the database")


def test_narrow(b):
    """At 700 px nothing is wider than the window but the answer's own box."""
    b.size(700, 1000)
    b.open("?page=sql&q=" + quote("SELECT * FROM sae"))
    b.wait(lambda: cells(b), "rows")
    assert b.js("return document.documentElement.scrollWidth") <= 700
    b.size(1440, 900)


def main():
    database = plant("planted.db", os.environ["SOURCE"])
    run_all(globals(), Server(os.environ["HEADSCOPE"], database, 0, "--sql-seconds", "2"))


if __name__ == "__main__":
    main()
