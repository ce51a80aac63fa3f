#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the pictures of docs/: screenshot.py HEADSCOPE DATABASE FOLDER

    /usr/bin/python3 tests/browser/screenshot.py build/headscope \\
        demo/demo.db docs

DATABASE is the demo's. Each picture is taken once what it is about is there.
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
    ("page-training", "?page=training&beside=2", "polyline.two"),
    ("page-compare", "?page=compare&a=2&b=3&sort=max&theme=dark",
     ".matched .tr"),
    ("page-narrow", "?f=2:117&layer=2", ".kwic .tok.p", 700, 1000),
]


def main():
    headscope, database, folder = sys.argv[1:]
    server = Server(headscope, database)
    with tempfile.TemporaryDirectory() as profile:
        b = Browser(profile)
        b.base = server.url
        for name, address, there, *size in PICTURES:
            b.size(*size or (WIDTH, HEIGHT))
            b.open(address)
            b.wait(lambda there=there: b.texts(there) or b.all(there), there)
            if "page=" not in address:
                b.wait(lambda: b.texts("#rows [data-index] .toks"), "list")
            b.js("return document.fonts.ready")
            b.screenshot(os.path.join(folder, name + ".png"))
        assert not b.complaints()
        b.quit()
    server.stop()


if __name__ == "__main__":
    main()
