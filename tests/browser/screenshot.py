#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the pictures of docs/: screenshot.py HEADSCOPE DATABASE FOLDER

    /usr/bin/python3 tests/browser/screenshot.py build/headscope \\
        demo/demo.db docs [NAME...]
    /usr/bin/python3 tests/browser/screenshot.py build/headscope \\
        circuits.db docs --circuits

DATABASE is the demo's, or with --circuits that of docs/circuits.md; with names,
only those pictures. Each is taken once what it is about is there.
"""
import os
import sys
import tempfile

from browser import Browser, Server

WIDTH, HEIGHT = 1280, 760
#: Name, address, what must be there; then size and theme if not the usual.
PICTURES = [
    ("screenshot", "?f=3:1831&layer=3&head=3&sort=share",
     ".kwic .tok.p"),
    ("page-sources", "?f=3:1831&layer=3&head=3&sort=share&src=1&w=5"
     "&lock=101669", ".tip.locked dd"),
    ("page-intervals", "?f=2:117&layer=2&set=width&theme=dark", ".kwic h3"),
    ("page-head", "?page=heads&h=L2H0&measure=effective_groups", "#groups"),
    ("page-context", "?page=context&c=11&p=75&f=2:117&g=2:1207",
     ".active .tr"),
    ("page-tokens", "?page=tokens&q=Lily&v=1109,533", ".tfeats .tr a"),
    ("page-prompt", "?page=prompt&text=One+day,+Kim+and+Nick+had+fun+at+the+"
     "station.+Kim+showed+a+cake+to&token=+Nick&minus=+Kim"
     "&feature=L3F1870@17&recursive=L3H1@6&edit=L3H1",
     "#trace .tr", WIDTH, 1180),
    ("page-training", "?page=training&beside=2", "polyline.two"),
    ("page-compare", "?page=compare&a=2&b=3&sort=max&theme=dark",
     ".matched .tr"),
    ("page-narrow", "?f=2:117&layer=2", ".kwic .tok.p", 700, 1000),
]
CIRCUITS = [
    ("page-circuit", "?page=circuits&circuit=ioi&h=L2H1&edge=L2H1-L3H0",
     ".codepairs .tr", 1440, 1180),
]


def main():
    headscope, database, folder, *names = sys.argv[1:]
    pictures = CIRCUITS if names == ["--circuits"] else [
        p for p in PICTURES if p[0] in (names or [p[0]])]
    model = os.path.join(os.path.dirname(__file__), "../../examples/tiny-gpt2")
    more = [] if pictures is CIRCUITS else ["--model", model]
    server = Server(headscope, database, 0, *more)
    with tempfile.TemporaryDirectory() as profile:
        b = Browser(profile)
        b.base = server.url
        for name, address, there, *size in pictures:
            b.size(*size or (WIDTH, HEIGHT))
            b.open(address)
            b.wait(lambda there=there: b.texts(there) or b.all(there), there)
            if "page=prompt" in address:
                b.wait(lambda: b.texts("#adds") and b.texts(".roll .toks"),
                       "all parts")
            if "page=" not in address:
                b.wait(lambda: b.texts("#rows [data-index] .toks"), "list")
            b.js("return document.fonts.ready")
            b.screenshot(os.path.join(folder, name + ".png"))
        assert not b.complaints()
        b.quit()
    server.stop()


if __name__ == "__main__":
    main()
