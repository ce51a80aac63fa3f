# SPDX-License-Identifier: MIT
"""The viewer and a headless Chromium, for the tests of the page."""
import json
import os
import signal
import subprocess
import time
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

PATIENCE = 20  # seconds until what is waited for counts as missing


class Server:
    """headscope view on a database."""

    def __init__(self, headscope, database, port=0, *options):
        self.process = subprocess.Popen(
            [headscope, "view", database, "--port", str(port), "--quiet",
             *options],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://127.0.0.1:"), self.url
        self.port = urlsplit(self.url).port

    def stop(self):
        """Asks it to end, as Ctrl-C does; it must end well."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()
        return status


class Browser:
    """Chromium with what a test says to it and reads from it."""

    def __init__(self, folder, width=1440, height=900, traced=False):
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        for argument in ("--headless=new", "--disable-gpu", "--hide-scrollbars",
                         "--no-first-run", "--disable-dev-shm-usage",
                         f"--user-data-dir={folder}"):
            options.add_argument(argument)
        if os.geteuid() == 0:  # Chromium's sandbox refuses root
            options.add_argument("--no-sandbox")
        options.set_capability("goog:loggingPrefs",
                               {"browser": "ALL", "performance": "ALL"})
        if traced:  # tasks with their processor time, for tests/compare
            options.add_experimental_option("perfLoggingPrefs", {
                "traceCategories": "toplevel,__metadata"})
        self.driver = webdriver.Chrome(
            service=Service("/usr/bin/chromedriver"), options=options)
        self.base = None
        self.size(width, height)
        self.driver.get("about:blank")
        self.driver.get_log("performance")  # of Chromium's own first page

    def quit(self):
        self.driver.quit()

    # ---- going about ----
    def size(self, width, height):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1,
            "mobile": False})

    def media(self, **features):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": name.replace("_", "-"), "value": value}
                         for name, value in features.items()]})

    def open(self, address=""):
        self.driver.get(self.base + address)

    def back(self):
        self.driver.back()

    def press(self, *keys):
        """Keys to whatever has the focus, one after the other, at once: keys
        of a pair must come soon."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def type(self, selector, text):
        self.wait(lambda: self.all(selector), f"{selector} to type into")
        field = self.one(selector)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(Keys.BACKSPACE)
        field.send_keys(text)

    def click(self, selector):
        self.wait(lambda: self.all(selector), f"{selector} to click")
        self.one(selector).click()

    def hover(self, selector):
        ActionChains(self.driver).move_to_element(self.one(selector)).perform()

    def click_text(self, selector, text):
        self.wait(lambda: self.named(selector, text), f"{text} in {selector}")
        self.named(selector, text).click()

    # ---- reading ----
    def one(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def named(self, selector, text):
        return next((e for e in self.all(selector) if e.text == text), None)

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def texts(self, selector):
        """Text as it is in the document, shown or clipped."""
        return self.js("return [...document.querySelectorAll(arguments[0])]"
                       ".map(e => e.textContent)", selector)

    def text(self, selector):
        return "".join(self.texts(selector)[:1])

    def query(self):
        return urlsplit(self.driver.current_url).query

    def wait(self, condition, what):
        end = time.monotonic() + PATIENCE
        while True:
            found = condition()
            if found:
                return found
            if time.monotonic() > end:
                raise AssertionError(f"no {what}; the page says: "
                                     f"{self.text('main')[:600]!r} at "
                                     f"{self.driver.current_url}")
            time.sleep(.02)

    def shows(self, selector, text):
        """Waits until an element's text holds the words."""
        self.wait(lambda: any(text in t for t in self.texts(selector)),
                  f"{text!r} in {selector}")

    # ---- what went wrong ----
    def complaints(self):
        """What the console holds since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def strangers(self):
        """Requests to anywhere but the server since the last call."""
        strange = []
        for entry in self.driver.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                url = event["params"]["request"]["url"]
                if not url.startswith((self.base, "data:")):
                    strange.append(url)
        return strange

    def screenshot(self, path):
        self.driver.save_screenshot(path)
