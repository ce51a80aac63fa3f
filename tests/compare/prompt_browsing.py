#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How long browsing takes while prompts run.

    prompt_browsing.py HEADSCOPE DATABASE MODEL

One client browses: features, lists, heads, strings, contexts, one request after
the other, on one connection. First alone, then while --clients others ask about
new texts of some 60 tokens, as the page does: tokens, the next token, features
of all layers with head and source, the logit's parts, a feature by head and
source, each without a pause. Every request is made --repeats times in a turn, alone
and then busy: medians and 99th percentiles over the requests are printed, in
milliseconds, of all repeats and of each request's best, in which neighbours on the
computer are not; beside them prompts a second.
"""
import argparse
import http.client
import json
import os
import random
import signal
import subprocess
import threading
import time
from urllib.parse import quote, urlencode

WORDS = ("the cat and a dog sat on it by day then Lily saw her mom who gave "
         "them a big red ball to play with in the park").split()


class Client:
    def __init__(self, port):
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def get(self, path):
        self.http.request("GET", path, headers={"Accept-Encoding": "gzip"})
        answer = self.http.getresponse()
        return answer.status, answer.read()

    def json(self, path):
        self.http.request("GET", path)
        return json.loads(self.http.getresponse().read())


def rank(values, part):
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def pages(client, n):
    """Requests of somebody who browses."""
    rng = random.Random(1)
    about = client.json("/api/about")
    words = [r["text"] for r in client.json("/api/search?limit=50&q=a")
             ["results"] if "text" in r]
    tokens = about["dumps"][0]["tokens"]

    def one():
        sae = rng.choice(about["saes"])
        of = f"sae={sae['id']}"
        return rng.choice([
            f"/api/feature?{of}&feature={rng.randrange(sae['d_sae'])}",
            f"/api/features?{of}&limit=100&offset="
            f"{rng.randrange(sae['d_sae'])}",
            f"/api/head?{of}&head={rng.randrange(sae['heads'])}",
            f"/api/token?text={quote(rng.choice(words))}" if words
            else "/api/heads",
            f"/api/context?token={rng.randrange(tokens)}"])

    return [one() for _ in range(n)]


def browse(client, paths):
    times = []
    for path in paths:
        begun = time.perf_counter()
        status, _ = client.get(path)
        times.append(1000 * (time.perf_counter() - begun))
        assert status == 200, (path, status)
    return times


class Prompts(threading.Thread):
    """Asks about one new text after the other until it is stopped."""

    def __init__(self, port, seed, layer):
        super().__init__(daemon=True)
        self.client, self.rng = Client(port), random.Random(seed)
        self.layer, self.done, self.stopped = layer, 0, False
        self.texts = 0

    def ask(self, text, **parameters):
        status, body = self.client.get("/api/prompt?" + urlencode(
            {"text": text, **parameters}))
        assert status in (200, 503), body[:200]

    def run(self):
        while not self.stopped:
            text = " ".join(self.rng.choice(WORDS) for _ in range(58))
            self.ask(text, ask="tokens")
            self.ask(text, ask="features", features=64)
            self.ask(text, ask="next", top=10)
            self.ask(text, ask="logit", top=600)
            self.ask(text, ask="sources", feature=f"L{self.layer}F1@-1")
            self.texts += 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("headscope")
    parser.add_argument("database")
    parser.add_argument("model")
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--turns", type=int, default=3)
    args = parser.parse_args()
    env = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    process = subprocess.Popen(
        [args.headscope, "view", args.database, "--port", "0", "--quiet",
         "--model", args.model], env=env, stdout=subprocess.PIPE, text=True)
    port = int(process.stdout.readline().strip().rstrip("/").rsplit(":", 1)[1])
    client = Client(port)
    begun = time.perf_counter()
    model = client.json("/api/model")
    print(f"model and SAEs read in {time.perf_counter() - begun:.2f} s")
    paths = pages(client, args.requests)
    browse(client, paths)
    alone, busy, rates = [], [], []
    for turn in range(args.turns):
        alone.append([browse(client, paths) for _ in range(args.repeats)])
        askers = [Prompts(port, 100 * turn + i, model["saes"][-1]["layer"])
                  for i in range(args.clients)]
        begun = time.perf_counter()
        for a in askers:
            a.start()
        time.sleep(.2)
        busy.append([browse(client, paths) for _ in range(args.repeats)])
        took = time.perf_counter() - begun
        rates.append(sum(a.texts for a in askers) / took)
        for a in askers:
            a.stopped = True
        for a in askers:
            a.join()
    for what, turns in ("alone", alone), ("while prompts run", busy):
        for kind, times in (
                ("all", [[t for r in turn for t in r] for turn in turns]),
                ("best", [list(map(min, zip(*turn))) for turn in turns])):
            p50, p99 = (rank([rank(t, part) for t in times], .5)
                        for part in (.5, .99))
            print(f"browsing {what}, {kind}: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    print(f"{rank(rates, .5):.1f} prompts a second beside it "
          f"(load {os.getloadavg()[0]:.1f})")
    process.send_signal(signal.SIGTERM)
    process.wait()


if __name__ == "__main__":
    main()
