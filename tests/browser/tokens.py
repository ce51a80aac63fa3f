# SPDX-License-Identifier: MIT
"""Tests of tokens: their page, the tooltip, hostile ones; test_page.py runs
them."""
import re

from browser import Keys
from planted import HOSTILE, LONG, WORDS
from reading import (PEAK, TITLE, equal, feature_of, harmless, rows, search)


def test_tooltip(b):
    b.open("?f=" + feature_of(" Lily"))
    b.wait(lambda: b.texts(PEAK), "examples")
    b.hover(PEAK)
    b.shows(".tip", "“·Lily”")
    b.shows(".tip", "position")
    assert b.all("#hist .mk"), "the value is not on the histogram"
    # Head 1 is its top head: its DFA is in the database, of the example.
    b.shows(".tip", "top headsH1 ")
    assert re.search(r"document(stories|=news)", b.text(".tip")), "no group"
    part = float(re.search(r"top headsH1 ([\d.]+), H", b.text(".tip"))[1])
    assert abs(part - .51 * float(b.text(".kwic .v"))) < .02, b.text(".tip")


def focused(b):
    return b.js("const e = document.activeElement;"
                "return [e.className, e.textContent, e.info?.id]")


def test_tokens_by_key_and_locked(b):
    """One tab stop for all of an example list; what is locked stays."""
    b.open("?f=" + feature_of(" Lily") + "&dup=1")
    b.wait(lambda: b.texts(PEAK), "examples")
    equal(len(b.all('.kwic .tok[tabindex="0"]')), 1)
    b.js("document.querySelector('.kwic [tabindex=\"0\"]').focus()")
    b.shows(".tip", "“·Lily”")
    kind, text, at = focused(b)
    equal((kind, text), ("tok s p", "Lily"))
    b.press(Keys.ARROW_LEFT)
    equal(focused(b)[2], at - 1)
    b.press(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    kind, text, below = focused(b)
    equal((kind.startswith("tok"), " p" in kind, text), (True, True, "Lily"))
    assert below != at
    equal(len(b.all('.kwic .tok[tabindex="0"]')), 1)
    b.press(Keys.ENTER)
    b.wait(lambda: f"lock={below}" in b.query(), "the lock in the address")
    b.wait(lambda: b.all(".tip.locked"), "what is locked")
    equal(focused(b)[2], below)
    value = b.text("#hist .on")
    b.hover("h1")  # elsewhere: it stays
    b.shows(".tip.locked", str(below))
    equal(b.text("#hist .on"), value)
    b.open("?" + b.query())
    b.shows(".tip.locked", str(below))
    b.press(Keys.ESCAPE)
    b.wait(lambda: "lock" not in b.query() and not b.all(".tip"), "unlocked")
    equal(b.texts("#hist .mk"), [])
    b.click(PEAK)
    b.wait(lambda: f"lock={at}" in b.query(), "locked by a click")
    b.press("j")
    b.wait(lambda: "lock" not in b.query(), "another feature")


def test_token_page(b):
    b.open("?page=tokens")
    b.wait(lambda: b.texts(TITLE), "a first token")
    b.type("#filter", " Ben")
    b.wait(lambda: b.texts(".vocab .tok") == ["·Ben"], "what begins so")
    equal(b.texts(".vocab .tr:not(.th)"), ["·Benexactly3" +
                                           b.text(".vocab .tr:not(.th) "
                                                  "> :last-child")])
    b.click(".vocab a")
    b.wait(lambda: b.text(TITLE) == "“·Ben”", "token")
    equal(len(b.texts(".tfeats .tr:not(.th)")), 10)  # five of each layer
    b.click_text("article .seg button", "L1")
    b.wait(lambda: len(b.texts(".tfeats .tr:not(.th)")) == 5, "of layer 1")
    # Only those that a head leads; the heads are those of the layer.
    b.click('[aria-label="Only features that L1H3 leads"]')
    b.wait(lambda: "head=L1H3" in b.query() and
           set(b.texts(".tfeats .tr:not(.th) > :nth-child(6)")) != {""} and
           all(t.startswith("L1H3") for t in
               b.texts(".tfeats .tr:not(.th) > :nth-child(6)")), "of a head")
    b.shows("article", "led by L1H3")
    b.click('[aria-label="Only features that L1H3 leads"]')
    b.wait(lambda: len(b.texts(".tfeats .tr:not(.th)")) == 5, "of all heads")
    # A place leads to its text.
    equal(set(b.texts('[aria-label="Where it stands"] .tok.h')), {"Ben"})
    where = b.text('[aria-label="Where it stands"] .m a')
    b.click('[aria-label="Where it stands"] .m a')
    b.wait(lambda: b.text(TITLE) == where.split()[0], "the context")
    equal(b.text('.running [aria-current="true"]').strip(), "Ben")
    b.back()
    b.wait(lambda: b.all(".theads a"), "the token again")
    b.click(".theads a")
    b.wait(lambda: b.text(TITLE).startswith("L1H"), "a head of the token")


def test_any_string(b):
    """Parts of tokens, several tokens, and with or without the space."""
    b.open("?page=tokens&q=IL")
    b.shows(".vocab", "contains it")
    equal(b.texts(".vocab .tok"), ["·Lily"])
    b.wait(lambda: b.text(TITLE) == "“·Lily”", "the only one")
    b.open("?page=tokens")
    b.type("#filter", "fed the ducks")
    b.shows(".vocab", "3 tokens")
    b.click(".vocab a")
    b.wait(lambda: b.text(TITLE) == "“·fed” + “·the” + “·ducks”", "three")
    ids = "%2C".join(str(WORDS.index(w)) for w in (" fed", " the", " ducks"))
    assert f"v={ids}" in b.query(), b.query()
    equal(len(b.texts(".tfeats .tr:not(.th)")), 3 * 10)
    b.open("?page=tokens&q=ducks")
    b.shows(".vocab", "with a space")
    b.wait(lambda: b.text(TITLE) == "“ducks”", "exactly")
    b.shows("article", "No feature fires on it here")
    b.click_text("article .seg button", "both")
    b.wait(lambda: b.text(TITLE) == "“ducks” + “·ducks”", "both")
    equal(len(b.texts(".tfeats .tr:not(.th)")), 10)
    search(b, "fed the")
    b.wait(lambda: b.text(TITLE) == "“·fed” + “·the”", "from the search box")


# ---- hostile tokens --------------------------------------------------------
def test_hostile_tokens_are_text(b):
    shown = {"override": "\\u202edesrever", "unseen": "\\u200b",
             "percent": HOSTILE["percent"].strip()}
    for name, word in HOSTILE.items():
        b.open("?f=" + feature_of(word))
        b.wait(lambda: b.texts(PEAK), name)
        peak, want = b.text(PEAK), shown.get(name, word)
        if len(want) > 40:
            assert peak.endswith("…") and len(peak) <= 41, (name, peak)
            equal(peak[:-1], want[:40])
        else:
            equal(peak, want)
        b.wait(lambda: rows(b), "list")
        isolated = b.js("return getComputedStyle(document.querySelector("
                        "arguments[0])).unicodeBidi", PEAK)
        equal(isolated, "isolate")
        # Nothing makes the lines higher or the page wider.
        equal(b.js("return document.documentElement.scrollWidth"), 1440)
        heights = b.js("return [...document.querySelectorAll('.k')]"
                       ".map(e => e.offsetHeight)")
        equal(set(heights), {22})
        harmless(b)


def test_hostile_tokens_on_their_pages(b):
    for name, word in HOSTILE.items():
        b.open(f"?page=tokens&v={WORDS.index(word)}")
        b.wait(lambda: b.texts(TITLE), name)
        b.wait(lambda: b.texts(".tfeats a"), f"features of {name}")
        harmless(b)
    b.open(f"?page=tokens&v={WORDS.index(LONG)}")
    b.wait(lambda: b.texts(TITLE), "long token")
    equal(b.one(TITLE).get_attribute("title"), LONG)
    equal(b.text(TITLE), f"“{LONG[:120]}…”")
    b.open(f"?f={feature_of(LONG)}")
    b.wait(lambda: b.texts(PEAK), "long peak")
    title = b.one(PEAK).get_attribute("title")
    assert title.startswith("longlong") and "10,240 bytes" in title, title


def test_hostile_search_and_address(b):
    b.open()
    b.wait(lambda: rows(b), "rows")
    search(b, HOSTILE["markup"])
    b.wait(lambda: HOSTILE["markup"].replace(" ", "·") in b.text(TITLE),
           "markup as a title")
    harmless(b)
    b.open("?f=%3Cimg%20src%3Dx%20onerror%3Dwindow.hit%3D1%3E&page=__proto__")
    b.shows('[role="alert"]', "There is no feature <img")
    b.open("?page=heads&h=%3Cscript%3E")
    b.shows('[role="alert"]', "There is no head <script>")
    harmless(b)
