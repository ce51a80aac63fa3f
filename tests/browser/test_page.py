# SPDX-License-Identifier: MIT
"""The page in Chromium: opened, sorted, filtered, searched, read.

Planted databases say what must be there (planted.py). Each test begins with a
fresh page; after it the console must be empty and every request must have gone
to the viewer.
"""
import json
import os
import sqlite3
import sys
import time

import pages
import tokens
from browser import Browser, Keys, Server
from planted import HOSTILE, WORDS, plant
from reading import (PEAK, SELECTED, TITLE, equal, feature_of, harmless, rows,
                     run, search, wanted)


def column(b, number):
    """Numbers of the list's first rows, in the order of the list."""
    cells = b.js("""
        return [...document.querySelectorAll('#rows [data-index]')]
          .sort((a, b) => a.dataset.index - b.dataset.index).slice(0, 20)
          .map(row => row.children[arguments[0]].textContent)""", number)
    return [float(text) for text in cells]


# ---- features --------------------------------------------------------------
def test_opens_the_first_feature(b):
    """A bare address must show something."""
    b.open()
    b.wait(lambda: rows(b), "rows")
    b.wait(lambda: b.texts(TITLE), "feature")
    equal(b.text(SELECTED), b.text(TITLE))
    b.shows("#count", "180 features")


def test_feature_shows_what_was_planted(b):
    b.open("?f=" + feature_of(" Lily"))
    b.wait(lambda: b.texts(PEAK), "examples")
    assert set(b.texts(PEAK)) == {"Lily"}, b.texts(PEAK)
    equal(b.text(".strings .tr:not(.th) .tok"), "Lily")
    shares = b.texts(".heads .tr:not(.th) .c-src b")
    equal(shares[0], "51 %")  # head 1 of 4, by data, strongest first
    equal(b.texts(".heads a")[0], "H1")
    equal(set(b.texts(".heads .w:not(.c-src) b")), {"25 %"})
    equal(b.texts('.heads .tr:not(.th)')[0], "allLily")
    # The peak stands on one axis, is boxed and bold: colour is not all.
    lefts = b.js("return [...document.querySelectorAll(arguments[0])]"
                 ".map(e => Math.round(e.getBoundingClientRect().left))", PEAK)
    equal(len(set(lefts)), 1)
    style = b.js("const s = getComputedStyle(document.querySelector("
                 "arguments[0])); return [s.fontWeight, s.boxShadow]", PEAK)
    equal(style[0], "700")
    assert "rgb(168, 75, 6) 0px 0px 0px 1.5px" in style[1], style[1]
    assert b.all("#hist rect.f-act"), "no histogram"
    values = [float(v) for v in b.texts(".kwic .v")]
    equal(values, sorted(values, reverse=True))


def test_sorts(b):
    b.open()
    b.wait(lambda: rows(b), "rows")
    assert b.text('#rows [aria-sort="descending"]').startswith("top")
    b.click_text("#rows button", "dens %")
    b.wait(lambda: b.text('#rows [aria-sort="descending"]').startswith("dens")
           and rows(b), "order by density")
    density = column(b, 2)
    equal(density, sorted(density, reverse=True))
    b.click_text("#rows button", "max")
    b.wait(lambda: column(b, 3) == sorted(column(b, 3), reverse=True) and
           b.text('#rows [aria-sort="descending"]').startswith("max"),
           "order by max")
    b.click_text("#rows button", "max ↓")
    b.wait(lambda: b.text('#rows [aria-sort="ascending"]').startswith("max"),
           "turned order")
    b.wait(lambda: column(b, 3) == sorted(column(b, 3)), "rising max")
    b.click_text("#rows button", "top")
    b.wait(lambda: rows(b) and b.texts(
        "#rows [data-index] > :nth-child(6)")[0].endswith(" 89"), "by share")
    assert "sort=share" in b.query(), b.query()


def test_filters(b):
    b.open()
    b.click_text(".seg button", "L1")
    b.shows("#count", "90 of 180")
    b.wait(lambda: rows(b) and all(r.startswith("1:") for r in rows(b)),
           "features of layer 1")
    b.js("const s = document.querySelector('#head'); s.value = '1';"
         "s.dispatchEvent(new Event('change'))")
    b.shows("#count", "22 of 180")
    b.type("#filter", "Ben")
    b.shows("#count", "2 of 180")  # of 3, 21, 39, 57, 75 those with top head 1
    b.wait(lambda: "token=Ben" in b.query(), "the token in the address")
    b.wait(lambda: rows(b) == ["1:57", "1:21"], "its two features")
    b.type("#filter", "no such word")
    b.shows("#rows", "No feature of this choice")
    b.click_text("#rows .btn", "Clear the filters")
    b.shows("#count", "180 features")


def test_source_filter(b):
    """By the token that features come from; a token in its place undoes it."""
    b.open()
    b.type("#source", "Ben")
    b.wait(lambda: "source=Ben" in b.query() and rows(b), "features of it")
    b.shows("#rows", "from it ↓")
    shares = b.texts("#rows [data-index] > :last-child")
    equal(sorted(set(shares)), ["13 %", "50 %"])
    equal(shares, sorted(shares, reverse=True))
    b.type("#filter", "Ben")
    b.wait(lambda: "token=Ben" in b.query() and "source" not in b.query(),
           "the token instead")


def test_takes_the_list_away(b):
    b.open("?layer=1&sort=entropy")
    b.shows("#count", "csv")
    for link, kind in zip(b.all("#count a"), ("json", "csv")):
        reply = b.driver.execute_async_script(
            "fetch(arguments[0]).then(r => r.text()).then(arguments[1])",
            link.get_attribute("href"))
        assert "entropy" in reply, (kind, reply[:200])
    equal(len(reply.strip().split("\n")), 91)  # a line of names


def test_density_brush(b):
    """The least handle leaves out what is rarer; the dead go too."""
    b.open()
    b.shows("#count", "180 features")
    b.js("const i = document.querySelector('.ends input'); i.value = 2;"
         "i.dispatchEvent(new Event('input'));"
         "i.dispatchEvent(new Event('change'))")
    b.wait(lambda: "min=" in b.query(), "the bound in the address")
    b.wait(lambda: " of 180" in b.text("#count"), "fewer features")


def test_dead_feature(b):
    b.open("?f=0:89")
    b.shows("article", "Never active")


def test_rows_and_back(b):
    """A click is a step in the history, with keys it is not."""
    b.open("?f=" + feature_of(" Lily"))
    b.wait(lambda: rows(b) and b.texts(TITLE), "page")
    second = rows(b)[2]
    b.click('#rows [data-index="2"]')
    b.wait(lambda: b.text(TITLE) == second, "the row's feature")
    b.press("j")
    b.wait(lambda: b.text(TITLE) == b.text(SELECTED) == rows(b)[3], "next row")
    b.press("k", "k")
    b.wait(lambda: b.text(TITLE) == rows(b)[1], "row before")
    b.back()
    b.wait(lambda: b.text(TITLE) == feature_of(" Lily"), "first feature again")


def test_through_a_head(b):
    b.open("?f=" + feature_of(" Ben"))
    b.click_text(".tabs button", "Through L0H3")
    b.wait(lambda: "through=3" in b.query(), "the head in the address")
    b.shows(".under", "what L0H3 adds")
    value = float(b.text(".kwic .v"))
    assert value < 3, value
    b.press(Keys.ESCAPE)
    b.wait(lambda: "through" not in b.query(), "unlocked")
    b.press("h")
    b.wait(lambda: "through=3" in b.query(), "strongest head by key")


def test_window_and_escapes(b):
    b.open("?f=" + feature_of(" Ben"))
    b.wait(lambda: b.texts(PEAK), "examples")
    assert "·" not in b.text(".kwic .t")
    b.press("v")
    b.shows(PEAK, "·Ben")
    wide = len(b.texts(".kwic .tok"))
    b.press("w", "w")  # 16, full, 5
    b.wait(lambda: len(b.texts(".kwic .tok")) < wide, "smaller window")
    assert "w=5" in b.query() and "esc=1" in b.query()
    b.open("?f=" + feature_of("\n"))
    b.shows(PEAK, "↵")


def sources(b):
    """Class and text of the underlined tokens of each line."""
    return b.js("""
        return [...document.querySelectorAll('#examples .k')].map(k =>
          [...k.querySelectorAll('.u1, .u2, .u3')].map(e =>
            [e.className.match(/u[123]/)[0], e.textContent]))""")


def test_sources_are_underlined(b):
    """The first token of the context is the strongest source, that before the
    example has more than half as much."""
    b.open("?f=" + feature_of(" Lily"))
    b.wait(lambda: b.texts(PEAK), "examples")
    assert all(line[0] == ["u3", WORDS[0]] for line in sources(b)), sources(b)
    equal({tuple(kind for kind, _ in line) for line in sources(b)},
          {("u3", "u2"), ("u3",)})  # the latter at position 1
    shadow = b.js("return getComputedStyle(document.querySelector("
                  "'#examples .k .u3')).boxShadow")
    assert "rgb(42, 102, 204) 0px 2.5px" in shadow, shadow
    # It may lie where the line is clipped.
    b.js("document.querySelector('#examples .k .u3').dispatchEvent("
         "new PointerEvent('pointerover', { bubbles: true }))")
    b.shows(".tip", "adds H1 ")
    b.hover(PEAK)
    b.shows(".tip", "1 back, H1 ")
    b.shows(".legend", "source")
    # Through a head, only what comes through it.
    b.open("?f=" + feature_of(" Lily") + "&through=2")
    b.shows('.tabs [aria-selected="true"]', "Through L0H2")
    equal({tuple(kind for kind, _ in line) for line in sources(b)}, {("u3",)})


def test_text_around_the_source(b):
    b.open("?f=" + feature_of(" Lily"))
    b.wait(lambda: b.texts(PEAK), "examples")
    equal(len(b.all(".k.both")), 0)
    b.click_text(".seg button", "±5")
    b.shows("#examples .tog", "outside")
    b.press("d")
    b.wait(lambda: "src=1" in b.query() and b.all(".k.both"), "two blocks")
    lines = [k for k in b.all(".k.both") if k.get_attribute("role")]
    equal(len(lines), len(b.texts(PEAK)))
    for selector in ".k.both .tok.o", PEAK:
        equal(len(set(b.js(
            "return [...document.querySelectorAll(arguments[0])]"
            ".map(e => Math.round(e.getBoundingClientRect().left))",
            selector))), 1)
    equal(set(b.texts(".k.both .tok.o")), {WORDS[0]})
    assert all("back · H1" in text for text in b.texts("#examples .k .m")[1:])
    equal(b.js("return document.documentElement.scrollWidth"), 1440)
    b.open("?" + b.query())
    b.wait(lambda: b.all(".k.both"), "two blocks, from the address")
    b.click_text("#examples .tog", "source")
    b.wait(lambda: not b.all(".k.both"), "one block again")


def test_sources_and_logits_of_a_feature(b):
    b.open("?f=" + feature_of(" Lily"))
    b.wait(lambda: b.texts(PEAK), "examples")
    equal(b.texts('[aria-label="Distance to the source"] .tr'),
          ["tokens backsharetop", "125 %1", "4–775 %3"])
    equal(b.texts('[aria-label="Source tokens"] .tok'), ["and", "Ben"])
    shown = b.texts(".logits b")
    equal((len(shown), shown[0], shown[-1]), (20, "+2.00", "−1.00"))
    b.click_text('[aria-label="How many"] button', "20")
    b.wait(lambda: len(b.texts(".logits b")) == 40, "all logits")
    assert "logits=20" in b.query(), b.query()
    equal(len(b.all(".logits .neg")), 20)
    for word in HOSTILE.values():
        b.open("?logits=20&f=" + feature_of(word))
        b.wait(lambda: b.texts(".logits b"), "logits")
        harmless(b)
        equal(b.js("return document.documentElement.scrollWidth"), 1440)


def test_sets_of_examples(b):
    """Each says what it was drawn from; the silent ones have no value."""
    b.open("?f=" + feature_of(" Lily"))
    b.wait(lambda: b.texts(PEAK), "examples")
    b.press("3")
    b.wait(lambda: "set=width" in b.query() and b.texts(".kwic h3"), "fifths")
    heads = b.texts(".kwic h3")
    assert "active tokens" in heads[0], heads
    assert heads[0] > heads[-1], heads  # the strongest interval first
    b.click_text(".seg button", "equal count")
    b.wait(lambda: "set=count" in b.query(), "equal count")
    b.wait(lambda: len(b.texts(".kwic h3")) == 5, "five sets")
    b.press("4")
    b.shows(".kwic h3", "random active")
    b.press("5")
    b.shows(".kwic h3", "random silent")
    assert b.texts(".kwic .tok.q"), "no place"
    equal(b.texts(PEAK), [])
    equal(set(b.texts(".kwic .v")), {"0"})
    equal(b.js("return getComputedStyle(document.querySelector('.kwic .tok.q'))"
               ".outlineStyle"), "dashed")
    b.press("1")
    b.wait(lambda: b.texts(PEAK) and "set" not in b.query(), "strongest")


def test_full_window(b):
    b.open("?f=" + feature_of(" Lily") + "&w=full&dup=1")
    b.wait(lambda: b.all(".k.full"), "whole contexts")
    equal({len(b.js("return [...arguments[0].querySelectorAll('.tok')]", k))
           for k in b.all(".k.full")}, {12})
    equal(len(b.texts(".k.full .tok.p")), len(b.all(".k.full")))
    # Planted contexts are no longer than the usual window.
    asked = b.js("return performance.getEntriesByType('resource')"
                 ".map(e => e.name).filter(n => n.includes('api/feature?'))")
    assert asked and all("window=full" in name for name in asked), asked
    equal(b.js("return document.documentElement.scrollWidth"), 1440)


def test_repeats_are_hidden_and_said_to_be(b):
    """The words of a context come again 18 contexts later."""
    b.open("?f=" + feature_of(" Ben"))
    b.wait(lambda: b.texts(PEAK), "examples")
    before = len(b.texts(PEAK))
    b.shows("#examples .tog", "repeats+")
    b.press("u")
    b.wait(lambda: len(b.texts(PEAK)) > before, "all examples")
    assert "dup=1" in b.query()


def test_relations_of_a_feature(b):
    b.open("?f=0:2")
    b.wait(lambda: b.texts(PEAK), "examples")
    equal(b.texts('[aria-label="Nearest features"] a'), ["0:3", "0:4"])
    equal(b.texts('[aria-label="Nearest features"] b'), ["0.75", "0.50"])
    equal(b.texts('[aria-label="Features active together"] b'),
          ["6 · 4.00×", "5 · 3.33×"])
    equal(b.texts('[aria-label="Positions"] .tr:not(.th) > :first-child'),
          ["0", "1", "2–3", "4–7", "8–11"])
    equal(set(b.texts('[aria-label="Document groups"] '
                      '.tr:not(.th) > :first-child')), {"stories", "=news"})
    b.click('[aria-label="Nearest features"] a')
    b.wait(lambda: b.text(TITLE) == "0:3", "the neighbour")


def test_preview(b):
    """Resting on a link shows the feature, leaving takes it away; a key too."""
    b.open("?f=0:2")
    b.wait(lambda: b.texts(PEAK), "examples")
    link = '[aria-label="Nearest features"] a'
    b.js("document.querySelector(arguments[0]).scrollIntoView()", link)
    b.hover(link)
    b.shows(".preview", "0:3")
    equal({t.strip() for t in b.texts(".preview .tok.p")}, {"Ben"})
    b.hover("#q")
    b.wait(lambda: not b.all(".preview"), "no preview")
    b.js("document.querySelector(arguments[0]).focus()", link)
    b.shows(".preview", "0:3")
    b.press(Keys.ESCAPE)
    b.wait(lambda: not b.all(".preview"), "closed by a key")


def test_copies(b):
    """What is on the page, as SQL, as an address, as JSON."""
    b.driver.execute_cdp_cmd("Browser.grantPermissions", {
        "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]})
    b.open("?f=" + feature_of(" Lily") + "&set=width&dup=1")
    b.shows(".kwic h3", "active tokens")

    def copied(name):
        b.click_text(".hdr .btn", name)
        b.wait(lambda: "copied" in b.texts(".hdr .btn"), "copy")
        text = b.driver.execute_async_script(
            "navigator.clipboard.readText().then(arguments[0])")
        b.wait(lambda: name in b.texts(".hdr .btn"), "the button again")
        return text

    sql = copied("SQL")
    assert "kind = 'width'" in sql, sql
    db = sqlite3.connect("planted.db")
    equal(len(db.execute(sql).fetchall()), len(b.texts(".kwic .v")))
    db.close()
    equal(copied("link"), b.driver.current_url)
    equal(json.loads(copied("JSON"))["feature"], 1)


def test_bos_is_hidden_and_said_to_be(b):
    b.open("?f=0:0")
    b.shows(".under", "BOS+")
    b.shows("#examples", "All examples are at the first position")
    b.press("b")
    b.shows(PEAK, WORDS[0])


# ---- heads, search ---------------------------------------------------------
def test_heads(b):
    b.open("?page=heads&h=L1H2")
    b.wait(lambda: b.text(TITLE) == "L1H2", "head")
    equal(len(b.all("#grid .cell")), 8)
    equal(b.text("#grid .cell.lock text"), "22")  # 2, 6, ... 86
    share = [int(t.rstrip(" %")) for t in b.texts(".feats .c-src b")]
    equal(share, sorted(share, reverse=True))
    equal(share[0], 88)
    assert b.texts(".htoks .tok"), "no tokens through the head"
    assert b.texts(PEAK), "no examples"
    b.js("document.querySelector('#grid .cell.lock').focus()")
    b.press(Keys.ARROW_LEFT, Keys.ENTER)
    b.wait(lambda: b.text(TITLE) == "L1H1", "head on the left")
    b.back()
    b.wait(lambda: b.text(TITLE) == "L1H2", "first head again")
    b.press("l")
    b.wait(lambda: b.text(TITLE) == "L1H3", "next head by key")
    b.click(".measures .tr:nth-child(3) button")
    b.wait(lambda: "measure=" in b.query(), "another measure")
    b.click(".feats a")
    b.wait(lambda: b.text(TITLE).startswith("1:"), "a feature of the head")
    assert "through=3" in b.query(), b.query()


def test_search(b):
    b.open()
    b.wait(lambda: rows(b), "rows")
    for words, title in (("L1H3", "L1H3"), ("0.2", "L0H2"), ("1:17", "1:17"),
                         ("Lily", "“·Lily”"), (" fed", "“·fed”")):
        search(b, words)
        b.wait(lambda title=title: b.text(TITLE) == title, title)
    search(b, "9:9999")
    b.shows("#found", "9")
    b.press(Keys.ESCAPE)
    b.wait(lambda: not b.one("#found").is_displayed(), "closed list")
    b.press("g", "f")
    b.wait(lambda: rows(b), "features")
    # An empty box goes nowhere, though something was found before.
    search(b, "L1H3")
    b.wait(lambda: b.text(TITLE) == "L1H3", "a head")
    b.press("g", "f")
    b.wait(lambda: rows(b), "features")
    here = b.query()
    search(b, "")
    time.sleep(.3)
    equal(b.query(), here)


def test_search_chooses_with_arrows(b):
    b.open()
    b.wait(lambda: rows(b), "rows")
    b.press("/", " ")
    b.wait(lambda: len(b.all("#found [role=option]")) > 3, "results")
    b.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    wanted = b.text('#found [aria-selected="true"] .tok')
    b.press(Keys.ENTER)
    b.wait(lambda: b.text(TITLE) == f"“{wanted}”", wanted)


# ---- keys, theme, access ---------------------------------------------------
def test_keys(b):
    b.open()
    b.wait(lambda: rows(b), "rows")
    b.press("?")
    b.shows(".keys", "jump box")
    b.press(Keys.ESCAPE)
    b.wait(lambda: not b.all(".keys"), "closed panel")
    b.press("]")
    b.wait(lambda: "layer=0" in b.query(), "layer by key")
    b.press("s")
    b.wait(lambda: "sort=max" in b.query(), "order by key")
    b.press("f")
    equal(b.js("return document.activeElement.id"), "filter")
    b.press("j")  # a letter in a field is text
    equal(b.one("#filter").get_attribute("value"), "j")
    b.press(Keys.ESCAPE)
    assert b.js("return document.activeElement.id") != "filter"
    for keys, page in (("gh", "heads"), ("gt", "tokens")):
        b.press(*keys)
        b.wait(lambda page=page: f"page={page}" in b.query(), page)
    b.back()
    b.wait(lambda: "page=heads" in b.query(), "heads again")


def background(b):
    return b.js("return getComputedStyle(document.body).backgroundColor")


def test_theme(b):
    white = "rgb(255, 255, 255)"
    b.media(prefers_color_scheme="dark")
    b.open()
    b.wait(lambda: rows(b), "rows")
    assert background(b) != white
    b.press("t")
    equal(background(b), white)
    b.open()
    b.wait(lambda: rows(b), "rows")
    equal(background(b), white)  # it is remembered
    b.press("t")
    assert background(b) != white
    b.press("t")
    equal(b.one("#theme").get_attribute("aria-label"), "Theme: auto")
    b.media(prefers_color_scheme="light")
    equal(background(b), white)
    b.open("?theme=dark")
    assert background(b) != white


def test_forced_colors(b):
    """Where a system's colours replace ours, the peak is still boxed."""
    b.media(forced_colors="active")
    b.open("?f=" + feature_of(" Lily"))
    b.wait(lambda: b.texts(PEAK), "examples")
    equal(b.js("return getComputedStyle(document.querySelector(arguments[0]))"
               ".outlineStyle", PEAK), "solid")
    b.media()


def test_everything_has_a_name(b):
    """Controls and pictures have accessible names; ids are unique."""
    for address in ("", "?page=heads", "?page=tokens",
                    "?page=context&c=0&p=2&f=0:1&g=0:2", "?page=training",
                    "?page=compare", "?page=about"):
        b.open(address)
        b.wait(lambda: b.texts(TITLE), "page")
        nameless = b.js("""
            const text = e => {
              const copy = e.cloneNode(true); // a key's name is no name
              copy.querySelectorAll('kbd').forEach(kbd => kbd.remove());
              return copy.textContent.trim();
            };
            const named = e => e.getAttribute('aria-label') || e.labels?.length
              || text(e) || e.title;
            return [...document.querySelectorAll(
              'button, a, input, select, svg[role], [role="grid"]')]
              .filter(e => !named(e)).map(e => e.outerHTML)""")
        equal(nameless, [])
        twice = b.js("""
            const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
            return ids.filter((id, i) => ids.indexOf(id) !== i)""")
        equal(twice, [])


def test_narrow(b):
    for width in (700, 800, 1100):
        b.size(width, 1000)
        for address in ("?f=0:1", "?page=heads", "?page=tokens",
                        "?page=context&c=0&p=2", "?page=training",
                        "?page=compare", "?page=about"):
            b.open(address)
            b.wait(lambda: b.texts(TITLE), "page")
            equal(b.js("return document.documentElement.scrollWidth"), width)
    b.size(1440, 900)


# ---- states ----------------------------------------------------------------
def test_unknown_feature(b):
    b.open("?f=0:4000")
    b.shows('[role="alert"]', "no such thing")
    assert any("404" in line for line in b.complaints())
    b.wait(lambda: rows(b), "the list all the same")
    b.press("j")
    b.wait(lambda: b.texts(TITLE), "a feature")


def outage(b, headscope, database):
    """The server goes and comes back: the page says so and goes on."""
    server = Server(headscope, database)
    b.base = server.url
    b.open("?f=0:1")
    b.wait(lambda: b.texts(PEAK), "page")
    equal(server.stop(), 0)
    b.press("2")  # a feature through its head has not been asked for
    b.shows('article [role="alert"]', "does not answer")
    server = Server(headscope, database, server.port)
    b.click_text("article .btn", "Try again")
    b.wait(lambda: b.texts(PEAK), "page after the outage")
    b.complaints()
    server.stop()


def another_file(b, headscope, source):
    """The database is replaced: the page says so and opens the new one."""
    server = Server(headscope, plant("replaced.db", source))
    b.base = server.url
    b.open("?f=0:1")
    b.shows("#count", "180 features")
    assert not b.one("#changed").is_displayed()
    os.replace(plant("new.db", source, layers=1), "replaced.db")
    b.press("j")
    b.wait(lambda: b.one("#changed").is_displayed(), "the word of a change")
    assert b.texts(PEAK), "what was there is still shown"
    b.click("#changed")
    b.shows("#count", "90 features")
    b.wait(lambda: not b.one("#changed").is_displayed(), "no more word of it")
    with open("replaced.db", "r+b") as f:
        f.write(b"no database any more")
    b.press("j")
    b.wait(lambda: b.one("#changed").is_displayed(), "the word of a change")
    b.click("#changed")
    b.shows("#changed", "Not opened: try again")
    assert "is no SQLite database" in b.one("#changed").get_attribute("title")
    b.complaints()  # Chromium notes the status
    server.stop()


def test_without_tokens(b):
    b.open("?f=0:1")
    b.wait(lambda: b.texts(PEAK), "examples")
    equal(set(b.texts(PEAK)), {"□"})
    b.shows("article", "came without tokens")
    b.open("?page=tokens")
    b.shows("main", "came without tokens")
    b.open("?page=heads")
    b.wait(lambda: b.texts(TITLE), "head")


def test_single_feature(b):
    b.open()
    b.wait(lambda: b.text(TITLE) == "0:0", "the feature")
    equal(rows(b), ["0:0"])
    b.press("j", "k")
    b.open("?page=heads")
    b.wait(lambda: b.text(TITLE) == "L0H0", "the head")


def test_two_saes_of_a_layer(b):
    """A layer does not name them: their own names do."""
    b.open("?f=sae2:1")
    b.wait(lambda: b.text(TITLE) == "sae2:1", "feature of the second SAE")
    b.click_text(".seg button", "sae1")
    b.shows("#count", "90 of 180")
    b.wait(lambda: all(r.startswith("sae1:") for r in rows(b)), "its features")
    b.click(".heads a")
    b.wait(lambda: b.text(TITLE) == "sae2.1", "a head of the second SAE")
    search(b, "0:5")
    b.wait(lambda: b.text(TITLE) == "sae1:5", "the first that is called so")


def test_many_features(b):
    """Only what is in sight is drawn, only what is looked at is fetched."""
    b.open("?f=0:1&sort=index")
    b.shows("#count", "294,912 features")
    scroll = "document.querySelector('#rows').scrollTop = arguments[0]"

    def name(index):
        return f"{index // 24576}:{index % 24576}"
    for index in (290_000, 150_000, 12_345):
        b.js(scroll, index * 24)
        b.wait(lambda index=index: name(index) in rows(b), f"row {index}")
        assert len(rows(b)) < 120, len(rows(b))
    # A browser gives up on elements that are too high: Firefox at 17.9
    # million pixels.
    equal(b.js("return document.querySelector('.virtual').offsetHeight"),
          294_912 * 24)
    # Forty places passed before the page can draw: only the last is looked at.
    b.js("const list = document.querySelector('#rows');"
         "for (let i = 0; i < 40; i++) {"
         " list.scrollTop = i * 180_000;"
         " list.dispatchEvent(new Event('scroll')); }")
    b.wait(lambda: name(292_500) in rows(b), "the row where the scroll ended")
    fetched = b.js("return performance.getEntriesByType('resource')"
                   ".filter(e => e.name.includes('/features')).length")
    # Five places, of which each may touch three pages.
    assert fetched <= 15, f"{fetched} pages were fetched"
    b.click('#rows [data-index="292501"]')
    b.wait(lambda: b.text(TITLE) == name(292_501), "a far feature")
    b.press("j")
    b.wait(lambda: b.text(TITLE) == name(292_502), "the next one")
    b.js("document.querySelector('#rows').focus()")
    b.press(Keys.END)
    b.wait(lambda: b.text(TITLE) == "11:24575", "the last feature")
    # Any order of all of them, and back at the beginning of it.
    for order, last in ("dens %", 2), ("max", 3):
        b.click_text("#rows button", order)
        b.wait(lambda order=order: b.text('#rows [aria-sort="descending"]')
               .startswith(order) and len(rows(b)) > 20, order)
        found = column(b, last)
        equal(found, sorted(found, reverse=True))


# ---- running them ----------------------------------------------------------
OTHERS = {"test_without_tokens": "no_tokens.db",
          "test_single_feature": "single.db",
          "test_two_saes_of_a_layer": "twins.db",
          "test_many_features": "many.db"}


def main():
    headscope, source = os.environ["HEADSCOPE"], os.environ["SOURCE"]
    databases = {
        "planted.db": {}, "no_tokens.db": {"has_tokens": False},
        "single.db": {"layers": 1, "features": 1, "heads": 1},
        "twins.db": {"one_layer": True},
        "many.db": {"layers": 12, "features": 24_576, "heads": 2},
    }
    servers = {name: Server(headscope, plant(name, source, **options))
               for name, options in databases.items()}
    urls = {name: server.url for name, server in servers.items()}
    b = Browser(os.path.abspath("profile"))
    try:
        for name, test in wanted({**globals(), **vars(pages), **vars(tokens)}):
            b.base = urls[OTHERS.get(name, "planted.db")]
            run(b, name, test)
        if not sys.argv[1:]:
            outage(b, headscope, "planted.db")
            equal(b.strangers(), [])
            another_file(b, headscope, source)
            equal(b.strangers(), [])
    finally:
        b.quit()
        statuses = [server.stop() for server in servers.values()]
    equal(statuses, [0] * len(statuses))


if __name__ == "__main__":
    main()
