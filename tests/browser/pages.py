# SPDX-License-Identifier: MIT
"""Tests of the pages beside features and tokens; test_page.py runs them."""
from browser import Keys
from planted import HOSTILE, WORDS
from reading import (PEAK, TITLE, equal, feature_of, harmless, rows, search)


def test_head_has_codes_groups_and_sources(b):
    b.open("?page=heads&h=L1H2&measure=fvu")
    b.wait(lambda: b.text(TITLE) == "L1H2", "head")
    equal(b.text("#grid .cell.lock text"), "20")  # per cent
    equal(b.text("#measure option:checked"), "FVU")
    groups = b.texts("#groups h3")
    equal(len(groups), 3)  # six features, two and two
    equal(b.texts('[aria-label="Group 1"] a'), ["1:2", "1:6"])
    assert b.all("#codes rect.f-src"), "no histogram of the codes"
    counts = b.texts('[aria-label="Codes"] b')
    equal(counts, sorted(counts, key=lambda t: -int(t.split()[0].strip("<"))))
    # Its sources: the first token of the context gives the most.
    equal(b.texts('[aria-label="Source tokens"] .tok')[0], WORDS[0])
    shares = [int(t.split()[0]) for t in b.texts('[aria-label="Source tokens"]'
                                                 ' b')]
    equal(shares, sorted(shares, reverse=True))
    assert shares[0] > shares[-1], shares
    assert b.texts('[aria-label="Distance to the source"] .tr:not(.th)')
    b.click('[aria-label="Group 1"] a')
    b.wait(lambda: b.text(TITLE) == "1:2", "a feature of the group")


def points(b):
    return b.js("return [...document.querySelectorAll('figure')].map(f =>"
                " [f.querySelector('figcaption').textContent,"
                "  [...f.querySelectorAll('polyline')].map(l =>"
                "   [l.className.baseVal,"
                "    l.getAttribute('points').split(' ').length])])")


def test_training(b):
    b.open("?page=training")
    b.wait(lambda: b.all("polyline"), "curves")
    shown = points(b)
    equal(shown[0], ["loss1.10", [["ln one", 10]]])  # sae 1, its first figure
    equal([caption for caption, _ in shown[-4:]],
          [f"FVU of H{h}1.{6 + h}0" for h in range(4)])
    assert not any("histogram" in caption for caption, _ in shown), shown
    b.click('[aria-label="L1 beside it"]')
    b.wait(lambda: "beside=1" in b.query() and b.all("polyline.two"),
           "two runs")
    equal(points(b)[0][1], [["ln one", 10], ["ln two", 10]])
    equal(b.js("return getComputedStyle(document.querySelector("
               "'polyline.two')).strokeDasharray"), "4px, 3px")
    b.hover("figure svg")
    b.wait(lambda: any(" · " in t for t in b.texts("figure svg .on")),
           "both values at a step")
    b.click('[aria-label="show L1"]')
    b.wait(lambda: "run=1" in b.query() and
           points(b)[0][0].startswith("loss2.10"), "the other run")
    label = b.js("return document.querySelector('figure svg')"
                 ".getAttribute('aria-label')")
    assert label.startswith("loss: L1 from 3.00 to 2.10"), label


def test_compare(b):
    b.open("?page=compare")
    b.wait(lambda: b.texts(".matched a"), "matches")
    equal(b.texts(".figures .th span"), ["figure", "L0", "L1"])
    b.press("s", "s", "s", "s")  # max, share, entropy, index
    b.wait(lambda: "sort=index" in b.query() and
           b.text(".matched a") == "0:0", "by index")
    pairs = b.js("return [...document.querySelectorAll('.matched .tr')]"
                 ".slice(1).map(r => [...r.querySelectorAll('a')]"
                 ".map(a => Number(a.textContent.split(':')[1])))")
    equal(len(pairs), 25)
    # Features fire alike if their numbers differ by all of the strings.
    assert all((a - c) % len(WORDS) == 0 for a, c in pairs), pairs
    equal(set(b.texts(".matched b")), {"1.00"})
    b.click_text(".btn", "More")
    b.wait(lambda: len(b.all(".matched .tr")) == 51, "more rows")
    equal(b.texts(".matched .tr > :first-child a"),
          [f"0:{i}" for i in range(50)])
    b.js("const s = document.querySelector('[aria-label=\"SAE\"]');"
         "s.value = '1'; s.dispatchEvent(new Event('change'))")
    b.wait(lambda: "a=1" in b.query() and b.text(".matched a") == "1:0",
           "the other way round")


def test_about(b):
    b.open("?page=about")
    b.shows(TITLE, "planted.db")
    b.shows(".sample", "144 tokens, 50 %: 12 whole contexts")
    equal(len(b.all(".abouts .tr:not(.th)")), 2)
    b.shows(".code", "headscope encode planted.dump sae1.sae sae2.sae")
    b.press("g", "r")
    b.wait(lambda: b.all("polyline"), "training by key")
    b.press("g", "a")
    b.shows(TITLE, "planted.db")


# ---- contexts --------------------------------------------------------------
def test_context(b):
    """An example leads to its text; a token says what is active there."""
    b.open("?f=" + feature_of(" Lily") + "&dup=1")
    b.wait(lambda: b.texts(PEAK), "examples")
    where = next(t for t in b.texts(".kwic .m a")
                 if int(t[1:].split()[0]) % 2 == 0)  # one of the sample
    b.click_text(".kwic .m a", where)
    b.wait(lambda: b.text(TITLE) == where.split()[0], "the context")
    equal(b.text('.running [aria-current="true"]').strip(), "Lily")
    equal(len(b.all(".running .tok")), 12)
    b.wait(lambda: b.texts(".active a"), "features")
    equal(set(b.texts(".active .tr:not(.th) .toks")), {"Lily"})
    assert "0:1" in b.texts(".active a"), b.texts(".active a")
    equal(b.text(".codes"), "L0H0 –H1 1H2 –H3 19")
    equal([a.get_attribute("href").split("?")[1]
           for a in b.all(".codes a.mono")],
          [f"f={layer}%3A{f}" for layer in (0, 1) for f in (1, 19)])
    shade = b.js("return document.querySelector('.running [aria-current]')"
                 ".style.getPropertyValue('--a')")
    assert float(shade) > .3, shade
    b.press("l")
    b.wait(lambda: "p=" in b.query() and b.text(
        '.running [aria-current="true"]').strip() != "Lily", "next token")
    b.press(Keys.ESCAPE)
    b.shows("article", "A click on a token")
    b.press("j")
    b.wait(lambda: b.text(TITLE) != where.split()[0], "next context")


def test_two_features_over_a_context(b):
    b.open("?page=context&c=0")
    b.wait(lambda: b.texts(".running .tok"), "text")
    b.click('.running [data-p="2"]')
    b.wait(lambda: b.texts(".active a"), "features")
    b.click('.active .tr:not(.th) [aria-label$="in orange"]')
    b.wait(lambda: "f=" in b.query() and b.all(".running .tok[style]"),
           "the first")
    b.click('.running [data-p="3"]')
    b.wait(lambda: "p=3" in b.query() and b.text(
        '.running [aria-current="true"]') == b.text('.running [data-p="3"]'),
        "another token")
    b.click('.active .tr:not(.th) [aria-label$="as an overline"]')
    b.wait(lambda: b.all(".running .b1, .running .b3"), "the second")
    line = b.js("return getComputedStyle(document.querySelector('.running .b3,"
                " .running .b1')).textDecorationLine")
    equal(line, "overline")
    b.hover(".running .b3, .running .b1")
    b.shows(".tip", b.texts(".over a")[1])
    address = b.query()
    b.open("?" + address)
    b.wait(lambda: b.all(".running .tok[style]") and
           b.all(".running .b1, .running .b3"), "both from the address")
    b.click(".over .ico")
    b.wait(lambda: not b.all(".running .tok[style]"), "one taken off")


def test_context_by_name(b):
    b.open()
    b.wait(lambda: rows(b), "rows")
    for words in "c4.3", "c4 · 3":
        search(b, words)
        b.wait(lambda: b.text(TITLE) == "c4" and "p=3" in b.query(), words)
        b.press("g", "f")
        b.wait(lambda: rows(b), "rows")
    b.open("?page=context&c=1&p=3")
    b.shows("main", "outside the sample")
    for name, word in HOSTILE.items():
        b.open(f"?page=context&c=4&p=3&f={feature_of(word)}")
        b.wait(lambda: b.texts(".running .tok"), name)
        harmless(b)
        equal(b.js("return document.documentElement.scrollWidth"), 1440)
    b.open("?page=context&c=400")
    b.shows('[role="alert"]', "no context 400")
    assert any("404" in line for line in b.complaints())
