#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times the page in Chromium: page_paint.py HEADSCOPE DATABASE...

Prints the lines of the table in docs/performance.md, for each database: first
paint of a bare address, the time until the list and the feature are there, and
while lists and a feature's page are scrolled the main thread's longest task and
the longest wait for a frame. The browser runs beside the server. Needs
selenium and Chromium, as the browser tests do.
"""
import os
import statistics
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "browser"))
from browser import Browser, Server  # noqa: E402

OPENED = 9     # times that the page is opened
SCROLLED = 3   # times that each thing is scrolled
TASK = 50      # ms from which Chromium calls a task long
WATCH = """
    window.tasks = [];
    new PerformanceObserver(list => tasks.push(...list.getEntries()
      .map(e => e.duration))).observe({ type: 'longtask', buffered: true });
    window.there = null;
    new MutationObserver((_, self) => {
      if (!document.querySelector('#rows [data-index] .toks') ||
          !document.querySelector('.kwic .tok')) return;
      window.there = performance.now();
      self.disconnect();
    }).observe(document, { childList: true, subtree: true });
"""
FRAMES = """
    window.tasks.length = 0;
    window.frames_ = [];
    let before = performance.now();
    window.watching = true;
    requestAnimationFrame(function frame(now) {
      frames_.push(now - before);
      before = now;
      if (watching) requestAnimationFrame(frame);
    });
"""


def opened(b, address=""):
    """Opens it with nothing in the cache; ms to paint and until it is there."""
    b.driver.execute_cdp_cmd("Network.setCacheDisabled",
                             {"cacheDisabled": True})
    b.open(address)
    b.wait(lambda: b.js("return window.there"), "list and feature")
    paint = b.js("return performance.getEntriesByName("
                 "'first-contentful-paint')[0]?.startTime")
    return paint, b.js("return window.there"), b.js(
        "return Math.max(0, ...window.tasks)")


def wheel(b, selector, distance, speed):
    """Scrolls as a wheel does; pixels, and pixels a second."""
    at = b.js("const r = document.querySelector(arguments[0])"
              ".getBoundingClientRect();"
              "return [r.x + r.width / 2, r.y + r.height / 2]", selector)
    b.driver.execute_cdp_cmd("Input.synthesizeScrollGesture", {
        "x": at[0], "y": at[1], "yDistance": -distance, "speed": speed,
        "gestureSourceType": "mouse"})


def drag(b, selector):
    """Goes through all of it in 200 frames, as with the bar's handle."""
    b.driver.execute_async_script("""
        const el = document.querySelector(arguments[0]), done = arguments[1];
        const end = el.scrollHeight - el.clientHeight;
        let i = 0;
        requestAnimationFrame(function step() {
          el.scrollTop = end * ++i / 200;
          if (i < 200) requestAnimationFrame(step); else done();
        });""", selector)


def scrolled(b, move):
    """The longest task and the longest frame of a movement, in ms."""
    b.js(FRAMES)
    move()
    b.driver.execute_async_script("setTimeout(arguments[0], 300)")
    b.js("window.watching = false")
    return b.js("return [Math.max(0, ...window.tasks),"
                " Math.max(...window.frames_)]")


def say(name, figures):
    task, frame = (max(f) for f in zip(*figures))
    print(f"| {name} | {f'{task:.0f}' if task else f'< {TASK}'} |"
          f" {statistics.median(f for _, f in figures):.0f} | {frame:.0f} |",
          flush=True)


def measure(headscope, database, profile):
    server = Server(headscope, database)
    b = Browser(profile, 1440, 900)
    b.base = server.url
    b.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument",
                             {"source": WATCH})
    try:
        runs = [opened(b) for _ in range(OPENED)]
        features = b.text("#count").split()[0]
        print(f"\n{features} features: first paint "
              f"{statistics.median(r[0] for r in runs):.0f} ms (most "
              f"{max(r[0] for r in runs):.0f}), list and feature there "
              f"{statistics.median(r[1] for r in runs):.0f} ms (most "
              f"{max(r[1] for r in runs):.0f}), longest task until then "
              f"{max(r[2] for r in runs):.0f} ms\n")
        print("| scrolled | longest task | longest frame | most |\n"
              "|---|---|---|---|")
        opened(b, "?f=0:1&sort=index")
        for name, move in (
                ("list, wheel", lambda: wheel(b, "#rows", 20000, 8000)),
                ("list, from end to end", lambda: drag(b, "#rows"))):
            say(name, [scrolled(b, move) for _ in range(SCROLLED)])
        opened(b, "?f=0:1&sort=index&w=full")
        say("feature, full contexts",
            [scrolled(b, lambda: wheel(b, "article", 8000, 4000))
             for _ in range(SCROLLED)])
        say("next feature, ten times",
            [scrolled(b, lambda: b.press(*"jjjjjjjjjj"))
             for _ in range(SCROLLED)])
        for order in ("dens %", "max"):
            say(f"sorted by {order}", [scrolled(b, lambda: b.click_text(
                "#rows button", order))])
    finally:
        b.quit()
        server.stop()


def main():
    headscope, *databases = sys.argv[1:]
    for database in databases:
        with tempfile.TemporaryDirectory() as profile:
            measure(headscope, database, profile)


if __name__ == "__main__":
    main()
