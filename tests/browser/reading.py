# SPDX-License-Identifier: MIT
"""What tests of several pages read and do."""
from browser import Keys
from planted import WORDS

SELECTED = '#rows [aria-selected="true"] > :first-child'
TITLE = "h1.id"
PEAK = ".kwic .tok.p"


def equal(found, wanted):
    assert found == wanted, f"{found!r}, not {wanted!r}"


def rows(b):
    return b.texts("#rows [data-index] > :first-child")


def feature_of(word, layer=0):
    """The first feature that fires on a string."""
    return f"{layer}:{WORDS.index(word)}"


def search(b, words):
    b.press("/")
    b.wait(lambda: b.js("return document.activeElement.id") == "q", "focus")
    b.press(words, Keys.ENTER)


def harmless(b):
    equal(b.js("return window.hit ?? null"), None)
    equal(b.all("main img, main script, .tip img"), [])
