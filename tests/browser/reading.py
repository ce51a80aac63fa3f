# SPDX-License-Identifier: MIT
"""What tests of several pages read and do, and how they are run."""
import os
import sys
import time

from browser import Browser, Keys
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


def run(b, name, test):
    """A test; after it the console is empty, and no request went elsewhere."""
    started = time.monotonic()
    test(b)
    equal(b.complaints(), [])
    equal(b.strangers(), [])
    print(f"{name} {time.monotonic() - started:.1f} s", flush=True)


def wanted(names):
    """Those of a module's names that are tests, and asked for if any are."""
    return [(name, test) for name, test in names.items()
            if name.startswith("test_") and name in (sys.argv[1:] or [name])]


def run_all(names, server):
    """A module's tests against one server."""
    b = Browser(os.path.abspath("profile"))
    b.base = server.url
    try:
        for name, test in wanted(names):
            run(b, name, test)
    finally:
        b.quit()
        status = server.stop()
    equal(status, 0)
