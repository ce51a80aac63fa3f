# SPDX-License-Identifier: MIT
"""Prompts in Chromium: typed, read, taken apart, compared, linked.

What is shown is compared with what the API answers, which tests/http compares
with the command line.
"""
import json
import os
from urllib.parse import parse_qs, quote, urlencode
from urllib.request import urlopen

from browser import Keys, Server
from planted import HOSTILE
from reading import equal, harmless, run, wanted

MODEL = os.path.join(os.environ["SOURCE"], "examples", "tiny-gpt2")
IOI = "One day, Kim and Nick had fun at the station. Kim showed a cake to"
OTHER = IOI.replace("Kim showed", "Mike showed")
YEARS = "The war lasted from the year 1550 to the year 15"
CHOSEN = "#prompt td.lock"


def api(b, **parameters):
    with urlopen(b.base + "api/prompt?" + urlencode(parameters)) as answer:
        return json.load(answer)


def address(b, name):
    return parse_qs(b.query()).get(name, [None])[0]


def enter(b, text, selector="#text"):
    b.wait(lambda: b.all(selector), "the field")
    b.wait(lambda: b.all("#prompt > *"), "the model")
    b.type(selector, text)
    b.one(selector).send_keys(Keys.CONTROL, Keys.ENTER)


def likely(b):
    """The tokens that are shown as next, with their figures."""
    return list(zip(b.texts(".nx .mono"), b.texts(".nx .num")))


def open_prompt(b, text=IOI, **parameters):
    b.open("?" + urlencode({"page": "prompt", "text": text, **parameters}))
    b.wait(lambda: likely(b) and b.texts("#adds"), "answers")


def click_token(b, word, place=0):
    b.js("[...document.querySelectorAll('.roll thead button')]"
         ".filter(e => e.textContent === arguments[0])[arguments[1]].click()",
         word, place)


def number(text):
    return float(text.replace("−", "-").replace("+", "").split()[0])


def parts(b, label="Logit by part"):
    """{name: value} of a list of parts."""
    rows = f'[aria-label="{label}"] .tr'
    return dict(zip(b.texts(f"{rows} > :first-child"),
                    map(number, b.texts(f"{rows} .num"))))


# ---- typed ---------------------------------------------------------------------
def test_types_indirect_object(b):
    b.open()
    b.wait(lambda: b.all("#rows [data-index]"), "the list")
    b.press("g", "p")
    b.shows("#prompt h1", "Any text through the model")
    enter(b, IOI)
    b.wait(lambda: likely(b), "next tokens")
    equal(address(b, "text"), IOI)
    b.shows(".ask .note", "18 of 256 tokens, 4 layers")
    equal(b.texts(".roll thead button")[1:4], ["One", "day", ","])
    equal(b.text('.roll thead [aria-pressed="true"]'), "to")
    want = api(b, text=IOI, top=10)
    equal(b.text("#next h2"), "Next token after “to”")
    equal([t for t, _ in likely(b)],
          [t["text"].strip() for t in want["next"]["next"]])
    equal(likely(b)[0], ("Nick", ".999"))
    # Why: the heads that move the name are in the top quarter.
    b.wait(lambda: b.texts("#adds"), "parts")
    found = parts(b)
    top = want["logit"]["parts"]
    for name in "L3H1", "L3H0":
        exact = next(p["value"] for p in top if p["part"] == name)
        assert abs(found[name] - exact) < .006, (name, found, exact)
    heads = b.js("return [...document.querySelectorAll('.dla button')].map(e =>"
                 " e.getAttribute('aria-label').split(/[ ,]/))")
    equal(len(heads), 32)
    order = sorted(heads, key=lambda h: -abs(number(h[1])))[:8]
    assert {"L3H0", "L3H1"} <= {name for name, *_ in order}, order
    said = b.text("#adds")
    assert f"add up to {want['logit']['sum']:.4f}" in said, said
    assert f"the model says {want['logit']['logit']:.4f}" in said, said


def test_types_greater_than(b):
    """Years that are later are likelier than years that are not."""
    b.open("?page=prompt")
    enter(b, YEARS)
    b.wait(lambda: likely(b), "next tokens")
    years = [t for t, _ in likely(b)]
    assert all(year.isdigit() and int(year) > 50 for year in years), years
    b.wait(lambda: "L3 MLP" in parts(b), "parts")
    # Another token of the prompt, and another way to look.
    b.press(Keys.ESCAPE, "h", "h")  # out of the text
    b.wait(lambda: address(b, "position") == "10" and
           b.text("#next h2") == "Next token after “the”", "two tokens before")
    equal(b.text('.roll thead [aria-pressed="true"]'), "the")
    click_token(b, "50")
    b.wait(lambda: b.text("#next h2") == "Next token after “50”", "a token")
    b.back()


# ---- taken apart ---------------------------------------------------------------
def test_features_sources_and_on(b):
    """A cell leads to its sources, a source to what wrote it, and on."""
    open_prompt(b)
    want = api(b, text=IOI, features=64, ask="features")["features"]
    b.wait(lambda: b.texts(".roll tbody .toks"), "rows with top tokens")
    b.shows(".cap", f"{want['active']} active")
    here = [f for f in want["features"] if f["position"] == 17]
    for layer in 1, 2, 3:
        strongest = sorted((f for f in here if f["layer"] == layer),
                           key=lambda f: -f["activation"])[:6]
        shown = [t for t in b.texts(".roll tbody th a.mono")
                 if t.startswith(f"{layer}:")]
        equal(shown, [f"{layer}:{f['feature']}" for f in strongest])
    best = max((f for f in here if f["layer"] == 3),
               key=lambda f: f["activation"])
    name = f"L3F{best['feature']}@17"
    cell = f'td[data-at="{name}"]'
    assert abs(float(b.text(cell)) - best["activation"]) < .006
    b.hover(cell)
    b.shows(".tip", f"L3H{best['head']}")
    b.click(cell)
    b.wait(lambda: b.all("#sum"), "its sources")
    equal(address(b, "feature"), name)
    sources = api(b, text=IOI, feature=name, ask="sources")["sources"]
    rows = b.texts(".r-src tr:not(.gap) .by .num")
    equal([number(t) for t in rows],
          [round(v, 2) if abs(v) >= .01 else float(f"{v:.1e}")
           for v in sorted(sources["heads"], reverse=True)])
    head, source = max(((h, s) for h in range(8) for s in range(18)),
                       key=lambda at: sources["dfa"][at[0]][at[1]])
    step = f"L3H{head}@{source}"
    assert b.all(".roll thead .u3"), "no source is underlined"
    shown = number(b.text(f'td[data-at="{step}"]'))
    assert abs(shown - sources["dfa"][head][source]) < .006, (step, shown)
    number_of = f"heads {sources['sum']:+.2f}".replace("-", "−")
    assert number_of in b.text("#sum"), b.text("#sum")
    b.click(f'td[data-at="{step}"]')
    b.wait(lambda: b.all("#trace .tr"), "what wrote it")
    trace = api(b, text=IOI, feature=name, recursive=step, top=24,
                ask="trace")["trace"]
    found = parts(b, "By part")
    for part in trace["parts"][:10]:
        near = abs(found[part["part"]] - part["value"])
        assert near <= .006 * max(1, abs(part["value"])), (part, found)
    # A head goes on from where it takes most.
    part = next(p for p in trace["parts"][:10] if "head" in p)
    b.js("[...document.querySelectorAll('[aria-label=\"By part\"] .tr')]"
         ".find(r => r.textContent.startsWith(arguments[0]))"
         ".querySelector('button').click()", part["part"])
    further = f"{step} {part['part']}@{part['source']}"
    b.wait(lambda: address(b, "recursive") == further and
           len(b.all(".steps button")) == 3, "a step on")
    query = b.query()
    b.open("?" + query)
    b.wait(lambda: len(b.all(".steps button")) == 3 and likely(b),
           "the same from the address")
    b.press(Keys.ESCAPE)
    b.wait(lambda: address(b, "recursive") == step, "a step back")
    # A feature of below is one to begin anew from.
    b.click_text('[aria-label="By feature"] button', "its sources")
    b.wait(lambda: address(b, "recursive") is None and
           address(b, "feature").endswith(f"@{source}"), "another feature")
    b.press(Keys.ESCAPE)
    b.wait(lambda: address(b, "feature") is None and not b.all("#sum"),
           "none chosen")
    b.click(".roll tbody th a.mono")
    b.wait(lambda: b.text("h1.id").startswith("1:"), "the feature's page")


def test_keys_of_the_table(b):
    open_prompt(b)
    b.wait(lambda: b.all(".roll td[data-at]"), "cells")
    b.press("j")
    b.wait(lambda: b.texts(CHOSEN) and address(b, "feature"), "a feature")
    first = address(b, "feature")
    b.press("j")
    b.wait(lambda: address(b, "feature") not in (None, first), "the next")
    b.press("k")
    b.wait(lambda: address(b, "feature") == first, "back")
    b.press("x")
    b.wait(lambda: address(b, "edit") == first.split("@")[0] and
           b.texts(".act"), "switched off")
    b.press("x", "s")
    b.wait(lambda: address(b, "order") == "layer" and not b.all(".act"),
           "by layer")
    b.js("document.querySelector('.roll td[tabindex=\"0\"]').focus()")
    at = "return document.activeElement.dataset.at"
    here = b.js(at)
    b.press(Keys.ARROW_LEFT)
    moved = b.js(at)
    assert moved and moved != here, (here, moved)
    b.press(Keys.ARROW_RIGHT)
    equal(b.js(at), here)
    b.press(Keys.ARROW_DOWN)
    below = b.js(at)
    equal(below.split("@")[1], here.split("@")[1])
    b.press(Keys.ENTER)
    b.wait(lambda: address(b, "feature") == below, "chosen by Enter")
    equal(b.js(at), below)  # the focus stays
    b.press("e")
    equal(b.js("return document.activeElement.id"), "text")


def test_switches_off(b):
    open_prompt(b, token=" Nick", minus=" Kim")
    b.click('[aria-label^="L3H1 "]')
    b.wait(lambda: address(b, "edit") == "L3H1" and
           any("→" in n for _, n in likely(b)), "without L3H1")
    want = api(b, text=IOI, edit="L3H1", top=10, ask="edit",
               token=" Nick", minus=" Kim")["edit"]
    equal([t for t, _ in likely(b)],
          [t["text"].strip() for t in want["next"]])
    name, figures = likely(b)[0]
    equal(name, "Nick")
    before, after = figures.split(" → ")
    equal(before, ".999")
    assert abs(float(after) - want["next"][0]["after"]) < .0006, figures
    b.shows("#next .legend", f"KL {want['kl']:.2f} nats")
    # Half of it instead.
    b.js("const f = document.querySelector('.act input'); f.value = '0.5';"
         "f.dispatchEvent(new Event('change'))")
    b.wait(lambda: address(b, "edit") == "L3H1x0.5", "half of it")
    b.type("#edit", "L3H5")
    b.press(Keys.ENTER)
    b.wait(lambda: address(b, "edit") == "L3H1x0.5+L3H5", "one more")
    b.wait(lambda: len(b.all(".act")) == 2 and likely(b), "two chips")
    b.click('.act [aria-label="Restore L3H1"]')
    b.wait(lambda: address(b, "edit") == "L3H5", "one of them again")
    b.type("#edit", "L9H1")
    b.press(Keys.ENTER)
    b.shows('#next [role="alert"]', "L9H1")
    assert any("400" in line for line in b.complaints())


def test_second_prompt(b):
    open_prompt(b)
    b.click_text(".tog", "second prompt")
    enter(b, OTHER, "#with")
    b.wait(lambda: b.texts("#pair .pheads .tr"), "the comparison")
    equal(address(b, "with"), OTHER)
    want = api(b, **{"text": IOI, "with": OTHER, "ask": "compare",
                     "top": 10})["compare"]
    equal(b.texts("#pair td .d"), ["Kim", "Mike"])
    equal(b.texts("#pair .pheads .tr:not(.th) > :first-child"),
          [f"L{h['layer']}H{h['head']}" for h in want["heads"]])
    found = [number(t) for t in b.texts("#pair .pheads .tr:not(.th) .num")]
    equal(found, [round(h["distance"], 2) for h in want["heads"]])
    feature = want["features"][0]
    row = b.text("#pair .pfeats .tr:not(.th)")
    assert row.startswith(f"{feature['layer']}:{feature['feature']}"), row
    b.shows("#next .legend", "the second prompt")
    name, figures = likely(b)[0]
    equal(name, want["next"][0]["text"].strip())
    assert abs(float(figures.split(" → ")[1]) -
               want["next"][0]["after"]) < .0006, figures
    # A head as it is there.
    b.click("#pair .zero")
    b.wait(lambda: (address(b, "edit") or "").endswith("=other") and
           b.texts(".act"), "patched")
    b.shows("#next .legend", "with these changed")
    b.click_text("#next .seg button", "the second prompt")
    b.shows("#next .legend", "the second prompt")
    b.click_text(".tog", "second prompt")
    b.wait(lambda: address(b, "with") is None and address(b, "edit") is None
           and not b.all("#pair"), "one prompt again")


def test_induction(b):
    b.open("?page=prompt")
    b.click_text("#prompt a", "which heads copy what followed the last time")
    b.wait(lambda: b.texts(".indu .tr"), "heads")
    with urlopen(b.base + "api/induction?count=20") as answer:
        heads = json.load(answer)["heads"]
    equal(b.texts(".indu .tr:not(.th) > :first-child"),
          [f"L{h['layer']}H{h['head']}" for h in heads[:12]])
    shown = b.texts(".indu .tr:nth-child(2) > .num")
    equal(shown[0], str(heads[0]["half"]))
    equal([float(t) for t in shown[1:10]],
          [round(v, 2) for v in heads[0]["attention"]])
    assert len(b.all(".multiples polyline")) >= 4
    most = next(h for h in heads if (h["layer"], h["head"]) == (3, 0))
    cell = b.js("return document.querySelector('.side .cell[data-at=\"3,0\"]')"
                ".getAttribute('aria-label')")
    equal(cell, f"L3H0: {most['attention'][-1]:.2f}".replace(" 0.", " ."))
    equal(len(b.all(".side .cell")), 32)
    b.type('[name="count"]', "3")
    b.press(Keys.ENTER)
    b.wait(lambda: address(b, "count") == "3" and
           b.text(".stats b") == "3 × 9", "fewer sequences")
    b.click_text("#prompt a", "back to prompts")
    b.wait(lambda: b.one("#text").is_displayed(), "the form")


# ---- what goes wrong -----------------------------------------------------------
def test_says_why_not(b):
    for words, text in {"the prompt is empty": "",
                        "control character U+0007": "a\ab",
                        "the model only 256 positions": "a " * 400}.items():
        b.open("?page=prompt&text=" + quote(text))
        b.shows('#prompt [role="alert"]', words)
    open_prompt(b, feature="L0F1@3")
    b.shows('.roll [role="alert"]', "layer 0 has no SAE here")
    equal(len(b.complaints()), 4)  # Chromium notes each status of 400
    enter(b, "Once there was")
    b.wait(lambda: likely(b) and not b.all('[role="alert"]'), "a good one")


def test_text_is_text(b):
    for name in "markup", "script", "override", "marks", "unseen", "quote":
        open_prompt(b, "a " + HOSTILE[name] + " b")
        harmless(b)
        equal(b.one("#text").get_attribute("value"),
              "a " + HOSTILE[name] + " b")
    # A token is too short for markup; what is quoted back is not.
    for name in "markup", "script":
        open_prompt(b, edit=HOSTILE[name], feature=HOSTILE[name])
        b.wait(lambda: len(b.all('#prompt [role="alert"]')) == 2, name)
        b.shows("#next .act", HOSTILE[name])
        harmless(b)
    equal(len(b.complaints()), 4)


def test_older_questions_end(b):
    """Of texts that are run one after the other only the last is shown."""
    b.open("?page=prompt")
    b.wait(lambda: b.all("#prompt > *"), "the model")
    for i in range(6):
        b.js("const t = document.querySelector('#text'); t.value = arguments[0];"
             "t.form.requestSubmit()", f"Once there were {i} cats")
    b.wait(lambda: likely(b), "an answer")
    b.shows(".roll thead", "5")
    equal("".join(b.texts(".roll thead button")[1:]), "Oncetherewere5cats")


def test_narrow_and_dark(b):
    b.size(700, 1000)
    for theme in "light", "dark":
        open_prompt(b, theme=theme, edit="L3H1", **{"with": OTHER})
        b.wait(lambda: b.texts("#pair .tr"), "all of it")
        assert b.js("return document.documentElement.scrollWidth") <= 700
    b.size(1440, 900)


def test_no_model(b):
    b.open("?page=prompt")
    b.shows("#prompt", "headscope view FILE.db --model DIR")
    assert not b.one("#text").is_displayed()


def main():
    from browser import Browser
    headscope, database = os.environ["HEADSCOPE"], "database/tiny.db"
    servers = [Server(headscope, database, 0, "--model", MODEL),
               Server(headscope, database)]
    b = Browser(os.path.abspath("profile"))
    try:
        for name, test in wanted(globals()):
            b.base = servers[name == "test_no_model"].url
            run(b, name, test)
    finally:
        b.quit()
        statuses = [server.stop() for server in servers]
    equal(statuses, [0, 0])


if __name__ == "__main__":
    main()
