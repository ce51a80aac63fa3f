#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes docs/screenshot.png: screenshot.py HEADSCOPE DATABASE ADDRESS PNG.

    /usr/bin/python3 tests/browser/screenshot.py build/headscope demo/demo.db \
        '?f=3:1831&layer=3&head=3&sort=share&src=1' docs/screenshot.png
"""
import sys
import tempfile

from browser import Browser, Server


def main():
    headscope, database, address, png = sys.argv[1:]
    server = Server(headscope, database)
    with tempfile.TemporaryDirectory() as folder:
        b = Browser(folder, width=1280, height=760)
        b.base = server.url
        b.open(address)
        b.wait(lambda: b.texts(".kwic .tok.p"), "examples")
        b.wait(lambda: b.texts("#rows [data-index] .toks"), "list")
        b.js("return document.fonts.ready")
        b.screenshot(png)
        b.quit()
    server.stop()


if __name__ == "__main__":
    main()
