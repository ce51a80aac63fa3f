# SPDX-License-Identifier: MIT
"""The Circuits page in Chromium: heads, codes, prompts, pairs, two tasks."""
import os
import sqlite3
from urllib.parse import parse_qs, quote

from browser import Browser, Keys, Server
from planted import HOSTILE, insert, plant
from planted_circuits import (ANSWERS, NAMES, code, edge, label,
                              plant_circuits, score, tokens)
from reading import TITLE, equal, harmless, run, wanted

SCORES = '[aria-label="codes, layer by head"]'
TRUTH = '[aria-label="truth, layer by head"]'
CODES = '[aria-label^="Codes of"]'
PROMPT_LIST = '[aria-label^="Prompts with code"]'


def address(b, name):
    return parse_qs(b.query()).get(name, [None])[0]


def opened(b, query=""):
    b.open(query)
    b.wait(lambda: b.all(f"{SCORES} .cell") and b.texts(".matrix .shade") and
           b.all(f"{PROMPT_LIST} .k"), "the circuit")


def cell(grid, head):
    return f'{grid} [data-at="{head[0]},{head[1]}"]'


def values(b, grid):
    return b.texts(f"{grid} .cell text")


def amount(v):
    """As the page writes it."""
    return "0" if v == 0 else f"{v:.1f}" if v >= 10 else f"{v:.2f}"


# ---- what is shown ---------------------------------------------------------
def test_opens_there(b):
    """A file without SAEs opens at its circuits; the others say why not."""
    opened(b)
    equal(b.text(TITLE), "first")
    equal(b.text('.nav [aria-current="page"]'), "Circuitsg i")
    figures = dict(zip(b.texts(".figs dt"), b.texts(".figs dd")))
    equal((figures["AUC"], figures["labels shuffled"], figures["probe"]),
          (".900 ± .010", ".700 ± .030", ".500"))
    equal((figures["precision"], figures["F1"], figures["prompts"]),
          (".400 ± .040", ".200 ± .060", "6 + 6"))
    for page in ("features", "heads", "tokens", "context", "training",
                 "compare"):
        b.open(f"?page={page}")
        b.shows("main", "holds no SAE")
    b.click_text("main a", "Its circuits")
    b.shows(TITLE, "first")
    b.press("g", "a")
    b.shows(TITLE, "circuits.db")
    b.shows("#circuits", "headscope circuit first.dump -o circuits.db "
            "--seeds 2 --examples 4 --position mean # 12 prompts")
    b.press("g", "i")
    b.shows(TITLE, "first")


def test_maps(b):
    opened(b)
    equal(values(b, SCORES), [amount(score(*n)) for n in NAMES])
    equal(values(b, TRUTH), [".50" if n in ((1, 0), (1, 2)) else "−.10"
                             for n in NAMES])
    for grid in SCORES, TRUTH:
        rings = b.js("return [...document.querySelectorAll(arguments[0])]"
                     ".map(e => e.parentElement.dataset.at)", f"{grid} .ring")
        equal(rings, ["1,0", "1,2"])
    equal(len(b.all(f"{TRUTH} .cell.neg")), 4)  # dashed, not colour alone
    equal(b.js("return getComputedStyle(document.querySelector(arguments[0]))"
               ".strokeDasharray", f"{TRUTH} .neg rect"), "2px, 2px")
    label_of = b.one(cell(TRUTH, (1, 2))).get_attribute("aria-label")
    equal(label_of, "L1H2: .50, in the circuit")
    # The head under the pointer is marked in every map.
    b.hover(cell(SCORES, (0, 2)))
    equal(len(b.all('.cell.at[data-at="0,2"]')), 2)
    # Another measure: the map, the ranking and the chosen curve.
    b.click_text(".seg button", "edges")
    b.wait(lambda: address(b, "by") == "score_edges", "edges")
    b.wait(lambda: b.texts('[aria-label="edges, layer by head"] .cell text'),
           "map of edges")
    equal(b.texts(".ranked a"), ["L1H2", "L1H1", "L1H0", "L0H2", "L0H1",
                                 "L0H0"])
    b.press("s")
    b.wait(lambda: address(b, "by") == "score_shuffled", "the next measure")


def test_roc(b):
    opened(b)
    names = ["codes", "edges", "labels shuffled", "mean difference", "probe"]
    equal(b.texts(".curves li span"), names)
    circuit = ((1, 0), (1, 2))
    inside = [score(*n) for n in circuit]
    outside = [score(*n) for n in NAMES if n not in circuit]
    area = sum((i > o) + (i == o) / 2 for i in inside for o in outside) / 8
    equal(b.text(".curves b"), f"{area:.2f}".lstrip("0"))
    equal(len(b.all(".rocs polyline")), 5)
    dashes = b.js("return [...document.querySelectorAll('.rocs polyline')]"
                  ".map(e => e.getAttribute('stroke-dasharray'))")
    equal(len(set(dashes)), 5)
    b.hover(".rocs svg[role=img]")
    b.wait(lambda: "of 2 in the circuit" in b.text(".rocs .note.foot"),
           "a threshold")
    b.click(".curves li:nth-child(5) button")
    b.wait(lambda: address(b, "by") == "probe", "the probe by its curve")
    equal(b.texts('.curves [aria-pressed="true"] span'), ["probe"])


# ---- a head ----------------------------------------------------------------
def shown_prompts(b):
    return [int(t[1:]) for t in b.texts(f"{PROMPT_LIST} .m")]


def test_a_head_and_its_prompts(b):
    opened(b)
    b.click(cell(SCORES, (1, 0)))
    b.shows("h2 .mono", "L1H0")
    b.wait(lambda: shown_prompts(b) == [0, 2, 4], "prompts with code 20")
    equal(address(b, "h"), "L1H0")
    equal(b.texts(f"{CODES} a"), ["20"])
    equal(b.texts(f"{CODES} .w b"), ["3"])
    b.shows("main", "1 only in positives, 1 in both, 0 only in negatives")
    # All of its text, as text; the token that counts is boxed.
    b.press("w")
    b.wait(lambda: b.all(".k.whole"), "whole prompts")
    equal(b.texts(f"{PROMPT_LIST} .l")[1],
          "".join(tokens(2)).replace("\u202e", "\\u202e"))
    equal(b.texts(f"{PROMPT_LIST} .tok.h"), ["to"] * 3)
    equal(b.texts(f"{PROMPT_LIST} .t"),
          ["→ " + ANSWERS[p].strip().replace("\u202e", "\\u202e")
           for p in (0, 2, 4)])
    equal(b.texts(f"{PROMPT_LIST} .v"), ["+"] * 3)
    harmless(b)
    # Codes that negatives have, too; the address holds it all.
    b.press("a")
    b.wait(lambda: b.texts(f"{CODES} a") == ["20", "21"], "all codes")
    b.click_text(f"{CODES} a", "21")
    want = [p for p in [*range(0, 12, 2), *range(1, 12, 2)]
            if code(1, 0, p) == 21]
    b.wait(lambda: shown_prompts(b) == want, "prompts with code 21")
    equal(b.texts(f"{PROMPT_LIST} .v"),
          ["+" if label(p) else "−" for p in want])
    # Chosen by key, it keeps the focus.
    equal(b.js("return document.activeElement.textContent"), "21")
    query = b.query()
    b.open("?" + query)
    b.wait(lambda: shown_prompts(b) == want and b.all(".k.whole"),
           "the same from the address")
    b.back()
    for key, head in (("l", "L1H1"), ("k", "L0H1"), ("h", "L0H0")):
        b.press(key)
        b.wait(lambda head=head: b.text("h2 .mono") == head, head)
    b.press("a")
    b.shows("main", "No code of it is only in positives")
    b.wait(lambda: not b.all(PROMPT_LIST), "no prompts")


def test_grid_by_keys(b):
    """One tab stop; arrows move, Enter chooses, and the focus stays."""
    opened(b, "?h=L0H0&codes=1")
    b.js("document.querySelector(arguments[0]).focus()", cell(SCORES, (0, 0)))
    b.press(Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ENTER)
    b.wait(lambda: b.text("h2 .mono") == "L1H1", "the head")
    b.wait(lambda: b.js("return document.activeElement.dataset?.at") == "1,1",
           "the focus")
    equal(len(b.all(f'{SCORES} .cell[tabindex="0"]')), 1)


def test_many_prompts(b):
    """They come in pages."""
    opened(b, "?circuit=elsewhere&h=L1H2")
    equal(shown_prompts(b), [*range(0, 12, 2), *range(100, 144)])
    b.click_text(f"{PROMPT_LIST} ~ p .btn", "More")
    b.wait(lambda: len(shown_prompts(b)) == 86, "the next")
    equal(shown_prompts(b)[50:], [*range(144, 180)])
    equal(b.named(f"{PROMPT_LIST} ~ p .btn", "More"), None)  # hidden


# ---- pairs of heads --------------------------------------------------------
def at_pair(b, i, j):
    """The pointer over heads i and j of the matrix: where it is told."""
    b.js("""const svg = document.querySelector('.matrix');
        svg.scrollIntoView({ block: 'center' });
        const ground = svg.querySelector('.ground').getBoundingClientRect();
        const side = ground.width / arguments[2];
        const options = { bubbles: true,
          clientX: ground.left + (arguments[1] + .5) * side,
          clientY: ground.top + (arguments[0] + .5) * side };
        svg.dispatchEvent(new PointerEvent('pointermove', options));
        window.clickPair = () =>
          svg.dispatchEvent(new MouseEvent('click', options));""",
         i, j, len(NAMES))
    return b.text('[aria-live="polite"]')


def test_edges(b):
    opened(b)
    name = ["L%dH%d%s" % (*n, " (circuit)" if n in ((1, 0), (1, 2)) else "")
            for n in NAMES]
    for i, a in enumerate(NAMES):
        for j, c in enumerate(NAMES):
            equal(at_pair(b, i, j), name[i] if i == j else
                  f"{name[i]} with {name[j]}: {edge(a, c)} pairs of codes")
    # As many squares as there are pairs, on both sides of the diagonal.
    squares = b.js("return [...document.querySelectorAll('.shade')].reduce("
                   "(n, e) => n + (e.getAttribute('d').match(/M/g) ?? [])"
                   ".length, 0)")
    equal(squares, sum(edge(a, c) > 0 for a in NAMES for c in NAMES if a != c))
    at_pair(b, 5, 4)
    b.js("window.clickPair()")
    b.wait(lambda: address(b, "edge") == "L1H1-L1H2", "the pair")
    b.wait(lambda: len(b.all(".codepairs .tr:not(.th)")) == edge(NAMES[4],
                                                                NAMES[5]),
           "its codes")
    equal(b.text(".codepairs .tr:not(.th) a"), "30")
    b.wait(lambda: "L1H1 with L1H2 (circuit): 6" in
           b.text('[aria-live="polite"]'), "the pair kept")
    b.click('.codepairs [aria-label="L1H2 code 41"], '
            '.codepairs [aria-label="L1H2 code 40"]')
    b.wait(lambda: b.text("h2 .mono") == "L1H2", "a code of the pair")
    equal(address(b, "edge"), "L1H1-L1H2")
    b.press(Keys.ESCAPE)
    b.wait(lambda: not b.all(".codepairs"), "closed")
    # From the list, and by keys.
    b.click(".edgepairs a")
    b.wait(lambda: b.all(".codepairs"), "from the list")
    b.press(Keys.ESCAPE)
    b.wait(lambda: not b.all(".codepairs") and b.all(".matrix .shade"),
           "closed")
    b.js("document.querySelector('.matrix').focus()")
    b.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
    b.wait(lambda: b.text('[aria-live="polite"]').startswith("L0H2 with L0H1"),
           "told by keys")
    b.press(Keys.ENTER)
    b.wait(lambda: address(b, "edge") == "L0H1-L0H2", "chosen by keys")


# ---- two tasks -------------------------------------------------------------
def test_two_tasks(b):
    opened(b)
    equal(b.texts(".reuse .tr:not(.th) a"), ["second"])
    equal(b.texts(".reuse .tr:not(.th) span")[1:], ["1 of 2", "0.67", ".33"])
    b.click_text(".reuse a", "second")
    b.wait(lambda: address(b, "with") == "second" and b.all("#together"),
           "both")
    figures = dict(zip(b.texts("#together dt"), b.texts("#together dd")))
    equal(figures, {"heads in both": "1", "expected by chance": "0.67",
                    "Jaccard": ".33", "of first’s 2": "50 %",
                    "of second’s 2": "50 %"})
    other = '[aria-label="truth of second, layer by head"]'
    b.wait(lambda: b.all(f"{other} .cell"), "its truth")
    equal(values(b, other), ["0", "1", "0", "0", "0", "1"])
    for grid in SCORES, TRUTH, other:
        full = b.js("return [...document.querySelectorAll(arguments[0])]"
                    ".map(e => e.parentElement.dataset.at)",
                    f"{grid} .ring.full")
        equal(full, ["1,2"])
    query = b.query()
    b.open("?" + query)
    b.wait(lambda: b.all("#together"), "the same from the address")
    # By score: all tasks of the model have the same first heads.
    b.click_text(".seg button", "first heads by score")
    b.wait(lambda: b.texts(".reuse .tr:not(.th) a") ==
           ["second", HOSTILE["markup"]], "one without a truth, too")
    equal(b.one(".size").get_attribute("value"), "2")
    b.js("const s = document.querySelector('.size'); s.value = 3;"
         "s.dispatchEvent(new Event('change'))")
    b.wait(lambda: b.texts(".reuse .tr:not(.th) span")[1] == "3 of 3", "three")
    b.press(Keys.ESCAPE)
    b.wait(lambda: not b.all("#together"), "closed")
    # The other way round.
    b.js("const s = document.querySelector('#task'); s.value = 'second';"
         "s.dispatchEvent(new Event('change'))")
    b.wait(lambda: b.text(TITLE) == "second", "another task")
    b.back()
    b.wait(lambda: b.text(TITLE) == "first", "back")


def test_without_truth_and_hostile(b):
    opened(b, "?circuit=" + quote(HOSTILE["markup"]))
    equal(b.text(TITLE), HOSTILE["markup"])
    b.shows("main", "No truth was given")
    b.shows(".rocs", "Needs a truth")
    equal(b.all(".ring"), [])
    assert "AUC" not in b.texts(".figs dt")
    # Every head's prompts with every hostile string.
    for head in ("L1H1", "L1H2"):
        b.open(f"?circuit={quote(HOSTILE['markup'])}&h={head}&codes=1&whole=1")
        b.wait(lambda head=head: b.text("h2 .mono") == head and
               b.all(f"{PROMPT_LIST} .k"), head)
        harmless(b)
        equal(b.js("return document.documentElement.scrollWidth"), 1440)
    b.open("?circuit=" + quote("<script>no such</script>"))
    b.shows('[role="alert"]', "There is no circuit <script>no such")
    harmless(b)
    b.open("?circuit=damaged")
    b.shows("main", "a head that no layer has")
    for odd in ("h=L9H9", "h=__proto__", "code=x", "edge=L0H0-L0H0",
                "edge=L9H1-__proto__", "by=no", "with=first", "size=x&set=score",
                "with=elsewhere"):
        opened(b, "?" + odd)


# ---- for everybody ---------------------------------------------------------
def test_names_and_widths(b):
    for query in ("?", "?with=second&edge=L1H1-L1H2"):
        opened(b, query)
        nameless = b.js("""
            const named = e => e.getAttribute('aria-label') || e.labels?.length
              || e.textContent.trim() || e.title;
            return [...document.querySelectorAll('button, a, input, select, '
              + 'svg[role], [role="grid"], [role="table"], [role="list"]')]
              .filter(e => !named(e)).map(e => e.outerHTML)""")
        equal(nameless, [])
    for width in (700, 1000, 1440):
        b.size(width, 1000)
        for query in ("?", "?with=second&edge=L1H1-L1H2&whole=1"):
            opened(b, query)
            equal(b.js("return document.documentElement.scrollWidth"), width)
            wide = b.js("return [...document.querySelectorAll('.three > *')]"
                        ".filter(e => e.scrollWidth > e.clientWidth + 16)"
                        ".map(e => e.textContent.slice(0, 40))")
            equal(wide, [])
    b.size(1440, 900)


def test_scroll_stays(b):
    """What is drawn anew does not move the page."""
    opened(b, "?h=L1H0&codes=1")
    b.size(1440, 500)
    pane = "document.querySelector('.pane')"
    at = b.js(f"{pane}.scrollTop = 99999; return {pane}.scrollTop")
    assert at > 200, at
    b.js("document.querySelector('[aria-label=\"code 21\"]').click()")
    b.wait(lambda: len(shown_prompts(b)) == 9, "another code")
    b.js("return new Promise(done => requestAnimationFrame(() =>"
         " requestAnimationFrame(done)))")
    now = b.js(f"return {pane}.scrollTop")
    assert abs(now - at) < 30, (at, now)  # rows have a height
    b.size(1440, 900)


# ---- beside SAEs -----------------------------------------------------------
def test_beside_saes(b):
    b.open()
    b.wait(lambda: b.texts("#rows [data-index]"), "features")
    b.click_text(".nav a", "Circuits")
    b.wait(lambda: b.all(f"{PROMPT_LIST} .k"), "circuits")
    b.click(cell(SCORES, (1, 0)))
    b.click_text("main a", "L1H0 on the page of heads")
    b.wait(lambda: b.text(TITLE) == "L1H0" and "page=heads" in b.query(),
           "the head")


def test_none(b):
    b.open()
    b.wait(lambda: b.texts("#rows [data-index]"), "features")
    assert not b.one('.nav [data-page="circuits"]').is_displayed()
    b.open("?page=circuits")
    b.shows("main", "holds no circuit")


OTHERS = {"test_beside_saes": "both.db", "test_none": "none.db"}


def more(path):
    """Eighty prompts to the last task, without strings, all with code 40; and
    a task with a head that cannot be."""
    db = sqlite3.connect(path)
    with db:
        insert(db, "circuit_prompt", ((4, p, 1, "", None, None)
                                      for p in range(100, 180)))
        insert(db, "circuit_code", ((4, 1, 2, p, 40)
                                    for p in range(100, 180)))
        insert(db, "circuit", [(5, "damaged", "none", "", 1, 0, 1, 0, 0, 1,
                                "[7]", *[None] * 16)])
        insert(db, "circuit_head", [(5, 0, 10**12, "L0H0", 1, 1, 1, 1, 1, None,
                                     None)])
    db.close()
    return path


def main():
    headscope, source = os.environ["HEADSCOPE"], os.environ["SOURCE"]
    servers = {name: Server(headscope, path) for name, path in {
        "circuits.db": more(plant_circuits("circuits.db", source)),
        "both.db": plant_circuits("both.db", source, saes=True),
        "none.db": plant("none.db", source)}.items()}
    urls = {name: server.url for name, server in servers.items()}
    b = Browser(os.path.abspath("profile"))
    try:
        for name, test in wanted(globals()):
            b.base = urls[OTHERS.get(name, "circuits.db")]
            run(b, name, test)
    finally:
        b.quit()
        statuses = [server.stop() for server in servers.values()]
    equal(statuses, [0] * len(statuses))


if __name__ == "__main__":
    main()
