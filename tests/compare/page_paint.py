#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times the page in Chromium: page_paint.py HEADSCOPE DATABASE...

Prints the lines of the table in docs/performance.md, for each database and for
a planted one of 12 SAEs with 24,576 features each: first paint of a bare
address, the time until the list and the feature are there, and while lists and
a feature's page are scrolled the page's longest task and the longest wait for a
frame. Tasks are in processor time of the main thread, which other programs do
not disturb; the rest is by the clock. The browser runs beside the server, and
draws without a GPU. Needs selenium and Chromium, as the browser tests do.
"""
import json
import os
import statistics
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, os.pardir, "browser"))
from browser import Browser, Server  # noqa: E402
from planted import plant  # noqa: E402

OPENED = 9    # times that the page is opened
SCROLLED = 5  # times that each thing is scrolled
WATCH = """
    window.there = null;
    new MutationObserver((_, self) => {
      if (!document.querySelector('#rows [data-index] .toks') ||
          !document.querySelector('.kwic .tok')) return;
      window.there = performance.now();
      self.disconnect();
    }).observe(document, { childList: true, subtree: true });
"""
FRAMES = """
    window.frames_ = [];
    let before = performance.now();
    window.watching = true;
    requestAnimationFrame(function frame(now) {
      frames_.push(now - before);
      before = now;
      if (watching) requestAnimationFrame(frame);
    });
"""


class Tasks:
    """Those of the pages' main threads, from the browser's trace."""

    def __init__(self, b):
        self.b, self.threads = b, set()

    def longest(self):
        """Milliseconds of processor time, of the tasks since the last call."""
        most = 0
        for entry in self.b.driver.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            if event["method"] != "Tracing.dataCollected":
                continue
            event = event["params"]
            thread = event.get("pid"), event.get("tid")
            if event.get("name") == "thread_name" and \
                    event["args"]["name"] == "CrRendererMain":
                self.threads.add(thread)
            if event.get("name", "").endswith("::RunTask") and \
                    thread in self.threads:
                most = max(most, event.get("tdur", 0) / 1000)
        return most


def opened(b, address=""):
    """Opens it with nothing in the cache; ms to paint and until it is there."""
    b.driver.execute_cdp_cmd("Network.setCacheDisabled",
                             {"cacheDisabled": True})
    b.open(address)
    b.wait(lambda: b.js("return window.there"), "list and feature")
    paint = b.js("return performance.getEntriesByName("
                 "'first-contentful-paint')[0]?.startTime")
    return paint, b.js("return window.there")


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


def scrolled(b, tasks, move):
    """The longest task and the longest frame of a movement, in ms."""
    tasks.longest()
    b.js(FRAMES)
    move()
    b.driver.execute_async_script("setTimeout(arguments[0], 300)")
    b.js("window.watching = false")
    return tasks.longest(), b.js("return Math.max(...window.frames_)")


def say(name, figures):
    """The median and the most of each."""
    cells = [f(x) for x in zip(*figures) for f in (statistics.median, max)]
    print(f"| {name} | {' | '.join(f'{c:.0f}' for c in cells)} |", flush=True)


def measure(headscope, database, profile):
    server = Server(headscope, database)
    b = Browser(profile, 1440, 900, traced=True)
    b.base = server.url
    b.driver.set_script_timeout(300)  # on a busy computer
    tasks = Tasks(b)
    tasks.longest()
    b.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument",
                             {"source": WATCH})
    try:
        runs = [(*opened(b), tasks.longest()) for _ in range(OPENED)]
        features = b.text("#count").split()[0]
        paint, there, task = (
            f"{statistics.median(x):.0f} ms (most {max(x):.0f})"
            for x in zip(*runs))
        print(f"\n{features} features: first paint {paint}, list and feature "
              f"there {there}, longest task until then {task}\n")
        print("| | longest task | most | longest frame | most |\n"
              "|---|---|---|---|---|")
        opened(b, "?f=0:1&sort=index")
        for name, move in (
                ("list, wheel", lambda: wheel(b, "#rows", 20000, 8000)),
                ("list, from end to end", lambda: drag(b, "#rows"))):
            say(name, [scrolled(b, tasks, move) for _ in range(SCROLLED)])
        opened(b, "?f=0:1&sort=index&w=full")
        say("feature, full contexts",
            [scrolled(b, tasks, lambda: wheel(b, "article", 8000, 4000))
             for _ in range(SCROLLED)])
        opened(b, "?f=0:1&sort=index")
        say("next feature, ten times",
            [scrolled(b, tasks, lambda: b.press(*"jjjjjjjjjj"))
             for _ in range(SCROLLED)])
        say("sorted anew", [scrolled(b, tasks, lambda order=order: b.click(
            f"#rows [role=columnheader]:nth-child({order}) button"))
            for order in (3, 4, 6, 1, 3)])
    finally:
        b.quit()
        server.stop()


def main():
    headscope, *databases = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        databases.append(plant(os.path.join(folder, "planted.db"),
                               os.path.join(HERE, os.pardir, os.pardir),
                               layers=12, features=24_576, heads=12))
        for i, database in enumerate(databases):
            measure(headscope, database, os.path.join(folder, str(i)))


if __name__ == "__main__":
    main()
