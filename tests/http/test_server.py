# SPDX-License-Identifier: MIT
"""What the server lets in, keeps out and survives."""
import concurrent.futures
import gzip
import os
import signal
import socket
import sqlite3
import subprocess
import time
import unittest

from client import (HEADSCOPE, PATIENCE, SOURCE, Answer, Server, planted,
                    read_to_end, seconds_until_closed)
from planted import plant

ALWAYS = ("content-security-policy", "x-content-type-options",
          "referrer-policy")


class Guard(unittest.TestCase):
    """One server for all requests: what one breaks, the next would see."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(planted("small.db"), "--allow-host",
                            "lab.example,other.example")

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def status(self, *args, **more):
        answer = self.server.ask(*args, **more)
        for name in ALWAYS:
            self.assertIn(name, answer.headers, args)
        self.assertNotIn("access-control-allow-origin", answer.headers)
        if answer.status >= 400 and more.get("method") != "HEAD":
            self.assertIn("error", answer.json())
        return answer.status

    def test_host_is_known_by_name_not_port(self):
        for host in ("localhost", "LOCALHOST:9000", "127.0.0.1:1", "127.0.0.1",
                     "[::1]:8765", "[::1]", "lab.example", "Other.example:80"):
            self.assertEqual(self.status("/api/about", host=host), 200, host)
        for host in ("evil.example", "evil.example:8765", "localhost.evil.com",
                     "127.0.0.1.evil.com", "evil.com:localhost", "localhost:8x",
                     "localhost:123456", "[::1", "[::1]x", "::1",
                     "lab.example.com", "lab", ",", "x@localhost", "127.0.0.2"):
            self.assertEqual(self.status("/api/about", host=host), 403, host)
            self.assertEqual(self.status("/", host=host), 403, host)

    def test_host_is_there_once(self):
        port = self.server.port
        for head in ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.com\r\n",
                     "GET / HTTP/1.1\r\nHost: evil.com\r\nhOST: localhost\r\n",
                     "GET / HTTP/1.1\r\n", "GET / HTTP/1.0\r\n",
                     f"GET http://evil.com:{port}/ HTTP/1.1\r\n"
                     "Host: localhost\r\n"):
            answer = self.server.send(
                (head + "Connection: close\r\n\r\n").encode())
            self.assertEqual(answer.status, 400, head)

    def test_listens_on_loopback_only(self):
        with open("/proc/net/tcp", encoding="ascii") as table:
            mine = [line.split()[1] for line in table
                    if line.split()[3] == "0A"
                    and line.split()[1].endswith(f":{self.server.port:04X}")]
        self.assertEqual(mine, [f"0100007F:{self.server.port:04X}"])

    def test_only_get_and_head(self):
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get",
                       "TRACE"):
            self.assertEqual(self.status("/api/about", method=method), 405)
        answer = self.server.send(
            b"POST /api/about HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: 5\r\nConnection: close\r\n\r\nabcde")
        self.assertEqual((answer.status, answer.headers["allow"]),
                         (405, "get, head"))

    def test_a_body_of_get_is_thrown_away(self):
        answer = self.server.send(
            b"GET /api/about HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: 5\r\nConnection: close\r\n\r\nabcde")
        self.assertEqual(answer.status, 200)

    def test_head_is_get_without_body(self):
        for target in ("/", "/api/about", "/api/feature?sae=1&feature=1",
                       "/none", "/api/feature"):
            for coding in ("identity", "gzip"):
                get, head = (self.server.ask(target, method=method,
                                             Accept_Encoding=coding)
                             for method in ("GET", "HEAD"))
                self.assertEqual(head.body, b"")
                self.assertEqual(head.status, get.status)
                for answer in get, head:
                    answer.headers.pop("date")
                self.assertEqual(head.headers, get.headers)
                self.assertEqual(int(get.headers["content-length"]),
                                 len(get.body))

    def test_no_path_leads_out(self):
        for target in ("/../etc/passwd", "/..%2f..%2fetc/passwd",
                       "/%2e%2e/%2e%2e/etc/passwd", "/%252e%252e/etc/passwd",
                       "//etc/passwd", "/./index.html", "/index.html/",
                       "/..\\index.html", "/.git/config", "/index.html%20",
                       "/%C0%AE%C0%AE/index.html", "/index.html%00.png",
                       "/api", "/api/", "/api/../index.html", "/api/About",
                       "/INDEX.HTML", "/index.htm", "/a" * 2000):
            self.assertIn(self.status(target), (400, 404), target)

    def test_long_lines_and_heads(self):
        self.assertEqual(self.status("/api/search?q=" + "a" * 8000), 200)
        self.assertEqual(self.status("/api/search?q=" + "a" * 8200), 414)
        self.assertEqual(self.server.ask("/" + "a" * 100000).status, 414)
        self.assertEqual(
            self.server.ask("/api/about", X_Long="a" * 100000).status, 431)
        many = {f"X_{i}": "a" * 100 for i in range(2000)}
        self.assertEqual(self.server.ask("/api/about", **many).status, 431)
        self.assertEqual(self.status("/api/about"), 200)

    def test_garbage_harms_nobody(self):
        for garbage in (b"\0" * 1000 + b"\r\n\r\n", b"\x16\x03\x01\x02\0" * 99,
                        b"GET\r\n\r\n", b"\r\n\r\n\r\n", b"GET / HTTP/9\r\n\r\n",
                        b"G" * 9999, b"GET / HTTP/1.1\r\n: x\r\n\r\n"):
            with self.server.connect() as s:
                s.sendall(garbage)
                s.shutdown(socket.SHUT_WR)
                status = Answer(read_to_end(s)).status
                self.assertTrue(status == 0 or status >= 400, garbage[:20])
        self.assertEqual(self.status("/api/about"), 200)

    def test_clients_that_leave_early(self):
        for head in (b"", b"GET / HT", b"GET /api/about HTTP/1.1\r\nHost: lo",
                     b"GET /api/about HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            for _ in range(20):
                with self.server.connect() as s:
                    s.sendall(head)
        self.assertEqual(self.status("/api/about"), 200)

    def test_etag(self):
        for target in ("/api/features?limit=3", "/", "/api/heads"):
            first = self.server.ask(target)
            tag = first.headers["etag"]
            # Header values were lowered by the client: so is the tag's W.
            for said in (tag.upper().replace("W/", ""), tag.replace("w/", ""),
                         f'"other", {tag}', "*"):
                again = self.server.ask(target, If_None_Match=said.lower())
                self.assertEqual((again.status, again.body), (304, b""), said)
                self.assertEqual(again.headers["etag"], tag)
            other = self.server.ask(target, If_None_Match='"other"')
            self.assertEqual((other.status, other.body), (200, first.body))
        tags = {self.server.ask(target).headers["etag"]
                for target in ("/api/heads", "/api/heads?", "/api/about", "/")}
        self.assertEqual(len(tags), 4)
        self.assertNotIn("etag", self.server.ask("/api/feature").headers)

    def test_gzip(self):
        plain = self.server.ask("/api/features")
        self.assertNotIn("content-encoding", plain.headers)
        for accepted in ("gzip", "br, gzip", "GZIP;q=0.5", "*", "deflate,gzip"):
            small = self.server.ask("/api/features", Accept_Encoding=accepted)
            self.assertEqual(small.headers["content-encoding"], "gzip")
            self.assertEqual(gzip.decompress(small.body), plain.body)
            self.assertLess(len(small.body), len(plain.body))
        for refused in ("br", "gzip;q=0", "*, gzip; q=0", "gzip2", "identity"):
            same = self.server.ask("/api/features", Accept_Encoding=refused)
            self.assertEqual(same.body, plain.body, refused)

    def test_keep_alive(self):
        ask = b"GET /api/about HTTP/1.1\r\nHost: localhost\r\n\r\n"
        last = ask.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        with self.server.connect() as s:
            s.sendall(ask + ask + last)  # pipelined
            raw = read_to_end(s)
        self.assertEqual(raw.count(b"HTTP/1.1 200"), 3)

    def test_many_clients_at_once(self):
        targets = ["/api/features?sort=share", "/api/feature?sae=2&feature=3",
                   "/api/head?sae=1&head=1", "/", "/api/token?text=%20Lily",
                   "/api/features?head=1&min_share=0.1", "/api/search?q=%20"]
        want = [self.server.ask(target).body for target in targets]

        def client(number):
            for i in range(10):
                at = (number + i) % len(targets)
                self.assertEqual(self.server.ask(targets[at]).body, want[at])

        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            for done in [pool.submit(client, n) for n in range(32)]:
                done.result()


class Slow(unittest.TestCase):
    """Clients that take their time, all beside each other."""

    def test_slow_clients_are_closed(self):
        whole = b"GET /api/about HTTP/1.1\r\nHost: localhost\r\n\r\n"
        body = whole.replace(b"\r\n\r\n", b"\r\nContent-Length: 99999\r\n\r\n")
        with Server(planted("small.db")) as server:
            def wait(sent, trickle=None):
                with server.connect() as s:
                    s.sendall(sent)
                    return seconds_until_closed(s, trickle)

            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                waits = {name: pool.submit(wait, *how) for name, how in {
                    "silent": (b"",),
                    "half a head": (whole[:20],),
                    "trickled line": (b"GET /", b"a"),
                    "trickled head": (whole[:20], b"a"),
                    "trickled body": (body, b"a"),
                    "idle after an answer": (whole,)}.items()}
                time.sleep(1)
                self.assertEqual(server.ask("/api/about").status, 200)
                for name, how_long in waits.items():
                    self.assertGreater(how_long.result(), 7, name)
                    self.assertLess(how_long.result(), 14, name)

    def test_more_connections_than_there_is_room(self):
        with Server(planted("small.db")) as server:
            idle = [server.connect() for _ in range(250)]
            time.sleep(.3)
            with open(f"/proc/{server.process.pid}/status",
                      encoding="ascii") as status:
                threads = [int(line.split()[1]) for line in status
                           if line.startswith("Threads:")]
            self.assertLess(threads[0], 160 + 8)
            for s in idle:
                s.close()
            deadline = time.monotonic() + PATIENCE
            while server.ask("/api/about").status != 200:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(.1)

    def test_a_stop_waits_for_nobody(self):
        for how in signal.SIGTERM, signal.SIGINT:
            server = Server(planted("small.db"))
            with server.connect() as half:
                half.sendall(b"GET /api/")
                with server.connect():
                    self.assertEqual(server.ask("/").status, 200)
                    begun = time.monotonic()
                    self.assertEqual(server.stop(how), 0)
                    self.assertLess(time.monotonic() - begun, 5)


class Start(unittest.TestCase):
    """What is not served, and why."""

    def refuse(self, words, *args):
        done = subprocess.run(
            [HEADSCOPE, "view", *args], capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""), args)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(words, done.stderr)

    def test_other_files(self):
        with open("garbage.db", "wb") as f:
            f.write(os.urandom(9999))
        with open("short.db", "wb") as f:
            f.write(b"SQLite format 3\0")
        open("empty.db", "wb").close()
        sqlite3.connect("other.db").executescript("CREATE TABLE feature (x);")
        with open(planted("small.db"), "rb") as f:
            good = f.read()
        old = bytearray(good)
        old[60:64] = (99).to_bytes(4, "big")  # user_version
        bare = bytearray(good)
        with open("old.db", "wb") as f:
            f.write(old)
        with open("cut.db", "wb") as f:
            f.write(bare[:8192])
        self.refuse("is no SQLite database", "garbage.db")
        self.refuse("", "short.db")
        self.refuse("not one of headscope", "empty.db")
        self.refuse("not one of headscope", "other.db")
        self.refuse("schema version 99", "old.db")
        self.refuse("", "cut.db")
        self.refuse("No such file", "none.db")
        self.refuse("not a regular file", ".")

    def test_foreign_tables(self):
        """What stands where our tables should: any of it could be without end,
        or compute as it is read."""
        for what, change in {
                "histogram": "DROP TABLE histogram; CREATE VIEW histogram AS "
                             "WITH RECURSIVE n (sae, feature, bin, count) AS "
                             "(SELECT 1, 1, 1, 1 UNION ALL SELECT 1, 2, 1, "
                             "count + 1 FROM n) SELECT * FROM n",
                "feature_pair": "PRAGMA legacy_alter_table = ON; ALTER TABLE "
                                "feature_pair RENAME TO x; CREATE VIEW "
                                "feature_pair AS SELECT sae, feature, rank, "
                                "other + random() AS other, count, expected "
                                "FROM x",
                "position_bin": "DROP TABLE position_bin; CREATE VIRTUAL TABLE "
                                "position_bin USING fts5 (dump, bin, first, "
                                "last, tokens)",
                "head_group": "DROP TABLE head_group; CREATE TABLE head_group "
                              "(sae, head, number, feature AS "
                              "(hex(zeroblob(1e8))))",
                "example_source": "DROP TABLE example_source",
                "metric": "ALTER TABLE metric DROP COLUMN value",
                "vocab": "ALTER TABLE vocab ADD more TEXT"}.items():
            plant("foreign.db", SOURCE, layers=1, features=20)
            db = sqlite3.connect("foreign.db")
            db.executescript(change)
            db.close()
            self.refuse(f"as headscope makes it: {what} ", "foreign.db")

    def test_port_and_folder(self):
        with Server(planted("small.db")) as server:
            self.refuse("in use", "small.db", "--port", str(server.port))
        self.refuse("none", "small.db", "--port", "0", "--web", "none")
        self.refuse("port", "small.db", "--port", "65536")

    def test_dry_run_and_json(self):
        done = subprocess.run([HEADSCOPE, "view", planted("small.db"), "--port",
                               "0", "--dry-run", "--json"], check=True,
                              capture_output=True, text=True, timeout=PATIENCE)
        self.assertIn('"url"', done.stdout)


class Web(unittest.TestCase):
    """--web DIR"""

    def test_files_of_a_folder_and_no_others(self):
        os.makedirs("web/below")
        for name, text in {"web/index.html": "one", "web/below/a.js": "two",
                           "web/.hidden.js": "no", "outside.js": "no",
                           "web/data.bin": "no"}.items():
            with open(name, "w", encoding="ascii") as f:
                f.write(text)
        os.makedirs("web/.git")
        os.symlink("../outside.js", "web/link.js")
        os.symlink("index.html", "web/inner.html")
        os.symlink("..", "web/up")
        os.mkfifo("web/fifo.js")
        os.makedirs("web/folder.js")
        with Server(planted("small.db"), "--web", "web") as server:
            for path, text in {"/": b"one", "/index.html?x=1": b"one",
                               "/below/a.js": b"two"}.items():
                answer = server.ask(path)
                self.assertEqual((answer.status, answer.body), (200, text))
            self.assertIn("text/javascript",
                          server.ask("/below/a.js").headers["content-type"])
            for path in ("/link.js", "/inner.html", "/up/outside.js",
                         "/../outside.js", "/below/../index.html",
                         "/.hidden.js", "/.git/config", "/fifo.js",
                         "/folder.js", "/data.bin", "/below", "/below/",
                         "/style.css", "/" + "a" * 300 + ".js"):
                self.assertEqual(server.ask(path).status, 404, path)
            tag = server.ask("/").headers["etag"]
            with open("web/index.html", "w", encoding="ascii") as f:
                f.write("new")
            answer = server.ask("/", If_None_Match=tag)
            self.assertEqual((answer.status, answer.body), (200, b"new"))


class OtherWriter(unittest.TestCase):
    """The database is changed while the server has it open."""

    def test_one_state_or_none(self):
        planted("written.db")
        with Server("written.db") as server:
            def about():
                answer = server.ask("/api/about")
                return answer.status, answer.json().get("error", "")
            self.assertEqual(about()[0], 200)
            db = sqlite3.connect("written.db", isolation_level=None)
            db.execute("BEGIN IMMEDIATE")
            db.execute("DELETE FROM token_feature")
            self.assertEqual(about()[0], 200)  # not in the file yet
            db.execute("ROLLBACK")
            db.execute("BEGIN EXCLUSIVE")
            status, error = about()
            self.assertEqual(status, 503)
            self.assertIn("another program", error)
            db.execute("ROLLBACK")
            self.assertEqual(about()[0], 200)
            db.execute("DELETE FROM token_feature WHERE sae = 2")
            db.close()
            status, error = about()
            self.assertEqual(status, 503)
            self.assertIn("reload", error)
        os.remove("written.db")


class Replaced(unittest.TestCase):
    """Another file takes the place of the one that is served."""

    def setUp(self):
        plant("replaced.db", SOURCE, layers=1)
        plant("three.db", SOURCE, layers=3)

    def renew(self, server, **headers):
        head = ["POST /api/renew HTTP/1.1", f"Host: localhost:{server.port}",
                "Connection: close", "Content-Length: 2"]
        headers = {"Content-Type": "application/json", **headers}
        head += [f"{name.replace('_', '-')}: {value}"
                 for name, value in headers.items()]
        return server.send("\r\n".join([*head, "", "{}"]).encode())

    def layers(self, server):
        """How many SAEs are shown, and whether the file is another."""
        answer = server.ask("/api/about")
        self.assertEqual(answer.status, 200)
        return (len(answer.json()["saes"]),
                "headscope-changed" in answer.headers,
                answer.headers["headscope-state"])

    def test_said_and_opened_anew(self):
        with Server("replaced.db") as server:
            shown, changed, first = self.layers(server)
            self.assertEqual((shown, changed), (1, False))
            tag = server.ask("/api/about").headers["etag"]
            os.replace("three.db", "replaced.db")
            self.assertEqual(self.layers(server), (1, True, first))
            answer = server.ask("/api/about", If_None_Match=tag)
            self.assertEqual(answer.status, 304)
            self.assertIn("headscope-changed", answer.headers)
            for headers in ({"Origin": "http://evil.example"},
                            {"Sec_Fetch_Site": "cross-site"}):
                self.assertEqual(self.renew(server, **headers).status, 403)
            self.assertEqual(self.renew(server).status, 200)
            shown, changed, second = self.layers(server)
            self.assertEqual((shown, changed), (3, False))
            self.assertNotEqual(first, second)
            self.assertEqual(
                server.ask("/api/about", If_None_Match=tag).status, 200)
            for method in "GET", "PUT":
                self.assertEqual(
                    server.ask("/api/renew", method=method).status, 405)

    def test_what_cannot_be_opened_is_not_shown(self):
        with Server("replaced.db") as server:
            os.replace("replaced.db", "aside.db")
            self.assertTrue(self.layers(server)[1])
            answer = self.renew(server)
            self.assertEqual(answer.status, 503)
            self.assertIn("No such file", answer.json()["error"])
            with open("replaced.db", "wb") as f:
                f.write(b"no database" * 999)
            answer = self.renew(server)
            self.assertEqual(answer.status, 503)
            self.assertIn("is no SQLite database", answer.json()["error"])
            self.assertEqual(self.layers(server)[:2], (1, True))
            os.replace("aside.db", "replaced.db")
            self.assertEqual(self.layers(server)[:2], (1, False))

    def test_after_a_change_in_place(self):
        with Server("replaced.db") as server:
            with sqlite3.connect("replaced.db") as db:
                db.execute("UPDATE sae SET name = 'changed'")
            db.close()
            answer = server.ask("/api/about")
            self.assertEqual(answer.status, 503)
            self.assertIn("headscope-changed", answer.headers)
            self.assertEqual(self.renew(server).status, 200)
            self.assertEqual(server.api("about")["saes"][0]["name"], "changed")

    def test_requests_meanwhile(self):
        with Server("replaced.db") as server, \
                concurrent.futures.ThreadPoolExecutor(12) as pool:
            asked = [pool.submit(server.ask, "/api/features?sort=max")
                     for _ in range(200)]
            renewed = [pool.submit(self.renew, server) for _ in range(20)]
            self.assertEqual({one.result().status for one in asked + renewed},
                             {200})
            # What nobody holds any more is closed.
            database = os.path.realpath("replaced.db")
            folder = f"/proc/{server.process.pid}/fd"
            held = [os.path.realpath(os.path.join(folder, fd))
                    for fd in os.listdir(folder)]
            self.assertEqual(held.count(database), 4)


if __name__ == "__main__":
    unittest.main()
