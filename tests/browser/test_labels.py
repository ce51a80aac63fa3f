# SPDX-License-Identifier: MIT
"""Labels in Chromium: written, shown in the list, filtered by, defended."""
import os
import sqlite3

from browser import Keys, Server
from planted import HOSTILE, plant
from reading import equal, run_all


def kept():
    """What is in the file, by SAE and feature."""
    if not os.path.exists("planted.labels.db"):
        return []
    db = sqlite3.connect("planted.labels.db")
    try:
        return db.execute("SELECT cast(sae AS INTEGER), feature, label, starred,"
                          " note FROM label ORDER BY sae, feature").fetchall()
    finally:
        db.close()


def open_feature(b, name, more=""):
    b.open(f"?f={name}&sort=index{more}")
    b.wait(lambda: b.text("h1.id") == name, f"feature {name}")


def saved(b):
    b.wait(lambda: b.text(".mark .note") == "Saved", "“Saved”")


def test_write_and_find(b):
    open_feature(b, "0:3")
    assert not b.one("#words").is_displayed()  # nothing is labelled yet
    b.press("e", "boys", Keys.ENTER)
    saved(b)
    equal(kept(), [(1, 3, "boys", 0, "")])
    # The list has it at once, and from now on a filter.
    b.wait(lambda: "boys" in b.texts('#rows [aria-selected="true"] >'
                                     ' :last-child'), "label in the list")
    b.press(Keys.ESCAPE, "m")
    b.wait(lambda: kept() == [(1, 3, "boys", 1, "")], "star")
    b.wait(lambda: b.text('#rows [aria-selected="true"] > :last-child')
           == "★ boys", "star in the list")
    open_feature(b, "1:5")
    b.click("#star")
    saved(b)
    b.click_text(".mark .tog", "note")
    b.type("#note", "first\nsecond")
    b.one("#label").click()  # leaves the note
    b.wait(lambda: kept()[-1] == (2, 5, "", 1, "first\nsecond"), "note")
    b.press(Keys.ESCAPE, "/", "OYS")
    b.shows("#found", "0:3 boys")
    b.press(Keys.ENTER)
    b.wait(lambda: b.text("h1.id") == "0:3", "found by its label")
    b.open("?f=0:3")
    b.shows("#count", "180 features")
    b.type("#words", "BOY")
    b.shows("#count", "1 of 180")
    b.wait(lambda: "label=BOY" in b.query(), "the label in the address")
    b.open("?star=1")
    b.shows("#count", "2 of 180")
    b.click_text(".bylabel .tog", "★")
    b.shows("#count", "180 features")
    b.open("?label=none+such")
    b.shows("#rows", "No feature of this choice is so labelled.")
    b.click_text("#rows .btn", "Clear the filters")
    b.shows("#count", "180 features")


def imported(b, text, replace=False):
    """Chooses a file on the About page; what the page says then."""
    with open("import.csv", "w", encoding="utf-8") as f:
        f.write(text)
    b.open("?page=about")
    b.wait(lambda: b.all("#import"), "the field of a file")
    if replace:
        b.click("#replace")
    b.one("#import").send_keys(os.path.abspath("import.csv"))
    b.wait(lambda: b.text('article [role="status"]') not in
           ("", "Reading import.csv …") or b.all('[role="alert"]'), "an end")
    return b.text('article [role="status"]')


def test_import(b):
    """The table that is exported, changed, and a wrong one."""
    b.open("?page=about")
    b.shows("article", "2 features have one")
    table = b.driver.execute_async_script(
        "fetch('api/labels.csv').then(r => r.text()).then(arguments[0])")
    changed = table.replace("boys", "girls")
    equal(imported(b, table), "2 read: 2 as they were.")
    equal(imported(b, changed), "2 read: 1 as they were, 1 not taken: another "
          "label is there.")
    equal(kept()[0][2], "boys")
    equal(imported(b, changed, True), "2 read: 1 replaced, 1 as they were.")
    equal(kept()[0][2], "girls")
    b.press(Keys.ESCAPE, "/", "girls", Keys.ENTER)
    b.wait(lambda: b.text("h1.id") == "0:3", "the new label")
    equal(b.one("#label").get_attribute("value"), "girls")
    assert "import.csv" not in imported(b, "no,table\n1,2\n")
    assert b.texts('[role="alert"]'), "nothing is said of a wrong table"
    equal(kept()[0][2], "girls")
    assert any("400" in line for line in b.complaints())
    equal(imported(b, changed.replace("girls", "boys"), True)[:18],
          "2 read: 1 replaced")


def test_taken_back(b):
    open_feature(b, "0:4")
    b.type("#label", "wrong")
    b.one("#label").send_keys(Keys.ENTER)
    saved(b)
    b.type("#label", "")
    b.one("#label").send_keys(Keys.ENTER)
    b.wait(lambda: (1, 4, "", 0, "") in kept(), "an empty label")
    b.type("#label", "never saved")
    b.one("#label").send_keys(Keys.ESCAPE)
    equal(b.one("#label").get_attribute("value"), "")
    open_feature(b, "0:5")
    open_feature(b, "0:4")
    equal(b.one("#label").get_attribute("value"), "")


def test_text_is_text(b):
    open_feature(b, "0:6")
    b.js("const l = document.querySelector('#label'); l.value = arguments[0];"
         "l.dispatchEvent(new Event('change'))", HOSTILE["markup"])
    saved(b)
    b.wait(lambda: b.text('#rows [aria-selected="true"] > :last-child')
           == HOSTILE["markup"], "markup as text")
    open_feature(b, "0:6", "&label=%3Cimg")
    b.shows("#count", "1 of 180")
    assert not b.js("return window.hit")


def test_somebody_else(b):
    """A change that was not seen is not overwritten."""
    open_feature(b, "0:7")
    db = sqlite3.connect("planted.labels.db")
    with db:
        db.execute("INSERT INTO label VALUES (?, 7, 'theirs', 0, '', '', 1)",
                   (f"{1:032x}",))
    db.close()
    b.type("#label", "mine")
    b.one("#label").send_keys(Keys.ENTER)
    b.shows(".mark .note", "somebody else has changed this label")
    assert len(b.complaints()) == 1  # Chromium notes the status
    b.click_text(".mark .btn", "Look again")
    b.wait(lambda: b.all("#label") and
           b.one("#label").get_attribute("value") == "theirs", "their label")
    b.type("#label", "ours")
    b.one("#label").send_keys(Keys.ENTER)
    b.wait(lambda: (1, 7, "ours", 0, "") in kept(), "the agreed label")


def test_a_dead_feature(b):
    open_feature(b, "0:89")
    b.type("#label", "dead")
    b.one("#label").send_keys(Keys.ENTER)
    b.wait(lambda: (1, 89, "dead", 0, "") in kept(), "its label")


def test_a_broken_file(b):
    """Features are shown, and what is wrong with the labels is said."""
    os.rename("planted.labels.db", "aside.db")
    with open("planted.labels.db", "w", encoding="ascii") as f:
        f.write("no database at all")
    open_feature(b, "0:3")
    b.shows(".mark .note", "is no SQLite database")
    b.shows("#count", "180 features")
    os.replace("aside.db", "planted.labels.db")


def main():
    database = plant("planted.db", os.environ["SOURCE"])
    run_all(globals(), Server(os.environ["HEADSCOPE"], database))


if __name__ == "__main__":
    main()
