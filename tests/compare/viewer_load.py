#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times the viewer on a large database: viewer_load.py HEADSCOPE DATABASE

Prints the lines of the table in docs/performance.md. The client runs on the
same computer and takes a part of it. The database should be in the page cache:
what is measured is the program, not the disk.
"""
import gzip
import http.client
import json
import os
import random
import selectors
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import quote

CONNECTIONS, SECONDS = 32, 10


class Server:
    def __init__(self, headscope, database):
        begun = time.perf_counter()
        self.process = subprocess.Popen(
            [headscope, "view", database, "--port", "0", "--quiet"],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.port = int(self.process.stdout.readline()
                        .strip().rstrip("/").rsplit(":", 1)[1])
        self.get("/")
        self.start = time.perf_counter() - begun

    def get(self, path):
        self.http = getattr(self, "http", None) or http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=60)
        self.http.request("GET", path, headers={"Accept-Encoding": "gzip"})
        answer = self.http.getresponse()
        body = answer.read()
        assert answer.status == 200, (path, answer.status, body[:200])
        return body

    def json(self, path):
        body = self.get(path)  # small ones come as they are
        return json.loads(gzip.decompress(body) if body[:2] == b"\x1f\x8b"
                          else body)

    def seconds(self):
        """Processor time so far."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def anonymous(self):
        """Megabytes that are not pages of a file."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) / 1024 for line in f
                        if line.startswith("RssAnon"))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def rank(values, part):
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def timed(server, paths):
    """Milliseconds and bytes of each."""
    times, sizes = [], []
    for path in paths:
        begun = time.perf_counter()
        body = server.get(path)
        times.append(1000 * (time.perf_counter() - begun))
        sizes.append(len(body))
    return times, sizes


def line(what, server, paths):
    """The very first request of a kind is in `most`."""
    before = server.seconds()
    times, sizes = timed(server, paths)
    spent = 1000 * (server.seconds() - before) / len(paths)
    print(f"| {what} | {rank(times, .5):.1f} | {rank(times, .99):.1f} | "
          f"{max(times):.1f} | {spent:.1f} | {max(sizes) / 1024:.1f} |",
          flush=True)
    print(what, "longest:", paths[times.index(max(times))], file=sys.stderr)


def flood(what, server, paths, seconds=SECONDS):
    """Requests a second over all connections, each with one under way, and the
    processor time of both sides, which says more on a computer that has other
    work."""
    selector = selectors.DefaultSelector()
    rng, done, wrong = random.Random(1), 0, 0
    requests = [f"GET {p} HTTP/1.1\r\nHost: localhost\r\n"
                "Accept-Encoding: gzip\r\n\r\n".encode() for p in paths]
    for _ in range(CONNECTIONS):
        s = socket.create_connection(("127.0.0.1", server.port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(s, selectors.EVENT_READ, [b""])
        s.sendall(rng.choice(requests))
    before, own = server.seconds(), time.process_time()
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        for key, _ in selector.select(1):
            part = key.fileobj.recv(1 << 20)
            if not part:
                wrong += 1
                selector.unregister(key.fileobj)
                continue
            data = key.data[0] + part if key.data[0] else part
            end = data.find(b"\r\n\r\n")
            at = data.find(b"Content-Length: ", 0, max(end, 0))
            if at < 0 or len(data) < end + 4 + int(
                    data[at + 16:data.find(b"\r\n", at)]):
                key.data[0] = data
                continue
            wrong += not data.startswith(b"HTTP/1.1 200")
            done += 1
            key.data[0] = b""
            key.fileobj.send(rng.choice(requests))
    took = time.perf_counter() - begun
    before, own = server.seconds() - before, time.process_time() - own
    for key in selector.get_map().values():
        key.fileobj.close()
    selector.close()
    print(f"{what}, {CONNECTIONS} connections for {seconds} s: "
          f"{done / took:.0f} requests a second, {wrong} errors; "
          f"{1000 * before / done:.2f} ms of processor time each, the client "
          f"{1000 * own / done:.2f}; anonymous memory {server.anonymous():.0f} "
          "MB", flush=True)


def main():
    headscope, database = sys.argv[1:]
    starts = []
    for _ in range(5):
        server = Server(headscope, database)
        starts.append(server.start)
        server.stop()
    server = Server(headscope, database)
    about = server.json("/api/about")
    sae = about["saes"][0]
    print(f"start to the first byte: {1000 * rank(starts, .5):.0f} ms; "
          f"{about['features']:,} features, "
          f"{sum(s['activations'] for s in about['saes']):,} activations\n")
    print("| | p50 ms | p99 ms | most ms | processor ms | most KB gzip |")
    print("|---|---|---|---|---|---|")
    rng = random.Random(0)
    features = [rng.randrange(sae["d_sae"]) for _ in range(500)]
    of = f"sae={sae['id']}"
    pages = [f"/api/feature?sae={rng.choice(about['saes'])['id']}&feature={f}"
             for f in features]
    line("feature, right after start", server, pages)
    line("feature", server,
         [f"/api/feature?{of}&feature={f}"
          for f in rng.sample(range(sae["d_sae"]), min(sae["d_sae"], 2000))])
    line("feature, random examples", server,
         [p + "&kind=random" for p in pages])
    lists = [f"/api/features?sort={sort}&order={order}&limit=100&offset={o}"
             for sort in ("density", "max", "share", "index", "entropy")
             for order in ("asc", "desc")
             for o in (0, 100, about["features"] // 2,
                       about["features"] - 100)]
    lists += [f"/api/features?limit=100&head={h}{more}"
              for h in range(sae["heads"])
              for more in ("", "&sort=share", "&min_share=0.1",
                           "&min_share=0", "&min_share=0&sort=share",
                           "&min_density=0.001")]
    lists += ["/api/features?label=a", "/api/features?starred=1",
              "/api/features?dead=0&sort=entropy"]
    lists *= 3
    rng.shuffle(lists)
    line("list, any order or filter", server, lists)
    words = [r["text"] for q in (" ", "a", "t", "th", "1")
             for r in server.json(
                 f"/api/search?limit=50&q={quote(q)}")["results"]
             if "text" in r]
    if words:
        line("list, filtered by token", server,
             [f"/api/features?token={quote(w)}" for w in words])
        line("list, filtered by source", server,
             [f"/api/features?source={quote(w)}" for w in words])
        line("token", server,
             [f"/api/token?text={quote(w)}" for w in words])
        line("search", server, [f"/api/search?q={quote(w)}" for w in words])
    line("head", server, [f"/api/head?{of}&head={h}"
                          for h in range(sae["heads"])] * 5)
    line("grid of heads", server, ["/api/heads"] * 50)
    tokens = about["dumps"][0]["tokens"]
    line("context", server, [
        f"/api/context?token={rng.randrange(tokens)}&one={sae['id']}:{f}"
        for f in features])
    line("comparison, 25 features", server, [
        f"/api/compare?{of}&other={sae['id']}&offset={25 * i}"
        for i in range(40)])
    pages = [f"/api/feature?sae={rng.choice(about['saes'])['id']}&feature={f}"
             for f in range(0, sae["d_sae"], 3)]
    mixed = pages[:len(lists)] + lists + [f"/api/token?text={quote(w)}"
                                   for w in words]
    print()
    flood("mixture", server, mixed)
    flood("features", server, pages)
    server.stop()


if __name__ == "__main__":
    main()
