# SPDX-License-Identifier: MIT
"""Labels, stars and notes: who may write them, where they go, what is kept."""
import concurrent.futures
import csv
import hashlib
import io
import json
import os
import shutil
import sqlite3
import time
import unittest

from client import Answer, Server, planted, read_to_end

HOSTILE = "<img src=x onerror=alert(1)>\u202e'\""


def mark(sae=1, feature=3, label="", note="", starred=False, version=0):
    return {"sae": sae, "feature": feature, "label": label, "note": note,
            "starred": starred, "version": version}


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).digest()


class OnCopy(unittest.TestCase):
    """Each test has a database and a server of its own."""

    def setUp(self):
        planted("labels_source.db")
        for name in "own.db", "own.labels.db", "own.labels.db-journal":
            if os.path.isdir(name):
                os.rmdir(name)
            elif os.path.exists(name):
                os.remove(name)
        shutil.copy("labels_source.db", "own.db")
        self.server = Server("own.db")

    def tearDown(self):
        self.assertEqual(self.server.stop(), 0)
        self.assertEqual(digest("own.db"), digest("labels_source.db"))

    def post(self, body, server=None, path="/api/label", **headers):
        server = server or self.server
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **headers}
        lines = [f"POST {path} HTTP/1.1", "Connection: close",
                 f"Content-Length: {len(body)}"]
        headers.setdefault("Host", f"127.0.0.1:{server.port}")
        lines += [f"{name.replace('_', '-')}: {value}"
                  for name, value in headers.items() if value is not None]
        return server.send("\r\n".join([*lines, "", ""]).encode() + body)

    def saved(self, body, **more):
        answer = self.post(body, **more)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()["mark"]

    def refused(self, status, words, body, **headers):
        answer = self.post(body, **headers)
        self.assertEqual(answer.status, status, answer.body)
        self.assertIn(words, answer.json()["error"])

    def found(self, query):
        return [(row["sae"], row["feature"]) for row in
                self.server.api("features?sort=index&" + query)["rows"]]


class Writing(OnCopy):
    def test_there_and_back(self):
        self.assertEqual(os.path.exists("own.labels.db"), False)
        before = self.server.api("feature?sae=1&feature=3")["mark"]
        self.assertEqual(before, {"label": "", "note": "", "starred": False,
                                  "version": 0})
        self.assertEqual(os.path.exists("own.labels.db"), False)
        first = self.saved(mark(label=HOSTILE, note="one\ntwo", starred=True))
        self.assertEqual(first["version"], 1)
        self.assertEqual(self.server.api("feature?sae=1&feature=3")["mark"],
                         first)
        second = self.saved(mark(label="two", version=1))
        self.assertEqual((second["version"], second["starred"]), (2, False))
        self.saved(mark(2, 5, note="only a note"))
        self.assertEqual(self.server.api("about")["labels"], 2)
        with sqlite3.connect("own.labels.db") as db:
            self.assertEqual(
                db.execute("SELECT sae, feature, label, starred, note, version"
                           " FROM label ORDER BY sae").fetchall(),
                [("0" * 31 + "1", 3, "two", 0, "", 2),
                 ("0" * 31 + "2", 5, "", 0, "only a note", 1)])

    def test_filters_and_rows(self):
        for body in (mark(1, 3, "Names of girls", starred=True),
                     mark(1, 8, "names", note="n"), mark(2, 3, starred=True),
                     mark(2, 88, "\u00c9t\u00e9")):
            self.saved(body)
        self.assertEqual(self.found("label=NAMES"), [(1, 3), (1, 8)])
        self.assertEqual(self.found("label=of+g"), [(1, 3)])
        self.assertEqual(self.found("label="), [(1, 3), (1, 8), (2, 88)])
        self.assertEqual(self.found("starred=1"), [(1, 3), (2, 3)])
        self.assertEqual(self.found("starred=1&label=names"), [(1, 3)])
        self.assertEqual(self.found("label=%C3%A9t"), [])
        self.assertEqual(self.found("label=%C3%89t&sae=2"), [(2, 88)])
        self.assertEqual(self.found("label=names&head=3"), [(1, 3)])
        row = self.server.api("features?label=girls")["rows"][0]
        self.assertEqual((row["label"], row["starred"]),
                         ("Names of girls", True))
        self.assertEqual(
            self.server.ask("/api/features?starred=2").status, 400)

    def test_an_answer_kept_by_a_browser_is_renewed(self):
        target = "/api/feature?sae=1&feature=3"
        for text in "a", "b", "c":
            tag = self.server.ask(target).headers["etag"]
            self.assertEqual(
                self.server.ask(target, If_None_Match=tag).status, 304)
            version = self.server.api(target[5:])["mark"]["version"]
            self.saved(mark(label=text, version=version))
            again = self.server.ask(target, If_None_Match=tag)
            self.assertEqual(again.status, 200)
            self.assertEqual(again.json()["mark"]["label"], text)

    def test_export(self):
        self.saved(mark(1, 3, HOSTILE, "a \"b\",\nc", True))
        self.saved(mark(2, 5, "x"))
        self.saved(mark(2, 6, "gone"))
        self.saved(mark(2, 6, version=1))
        answer = self.server.ask("/api/labels.csv")
        self.assertIn("labels.csv", answer.headers["content-disposition"])
        rows = list(csv.DictReader(io.StringIO(answer.body.decode(),
                                               newline="")))
        self.assertEqual([(r["sae"], r["layer"], r["feature"], r["starred"],
                           r["label"], r["note"]) for r in rows],
                         [("sae1", "0", "3", "1", HOSTILE, "a \"b\",\nc"),
                          ("sae2", "1", "5", "0", "x", "")])
        labels = self.server.api("labels")["labels"]
        self.assertEqual([(x["sae"], x["feature"], x["label"])
                          for x in labels], [(1, 3, HOSTILE), (2, 5, "x")])

    def test_two_writers(self):
        """Who has not seen the last change does not overwrite it."""
        with Server("own.db") as other:
            self.saved(mark(label="mine"))
            self.assertEqual(other.api("feature?sae=1&feature=3")["mark"]
                             ["label"], "mine")
            self.saved(mark(label="theirs", version=1), server=other)
            self.refused(409, "somebody else has changed",
                         mark(label="mine again", version=1))
            self.assertEqual(self.server.api("feature?sae=1&feature=3")["mark"]
                             ["label"], "theirs")
            self.saved(mark(label="mine again", version=2))
        # Of many that have seen the same, one comes through.
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            statuses = [one.result().status for one in
                        [pool.submit(self.post, mark(2, 7, str(i)))
                         for i in range(16)]]
        self.assertEqual(sorted(statuses), [200] + [409] * 15)

    def test_the_file_comes_and_goes(self):
        self.saved(mark(label="one"))
        os.rename("own.labels.db", "aside.db")
        self.assertEqual(self.server.api("labels")["labels"], [])
        self.saved(mark(label="two"))
        os.replace("aside.db", "own.labels.db")
        self.assertEqual(self.server.api("labels")["labels"][0]["label"], "one")


    def test_pages_while_filters_change(self):
        """`after` skips no row and repeats none, whatever happens to those
        before it, where offsets would."""
        versions = {}

        def star(feature, starred):
            made = self.saved(mark(1, feature, starred=starred,
                                   version=versions.get(feature, 0)))
            versions[feature] = made["version"]

        for limit, more in (
                (7, "sort=max"), (9, "sort=index&order=desc"),
                (8, "sort=entropy&order=asc"), (1, "token=%4Cily"),
                (7, "head=1&min_share=0&sort=share"), (1, "source=%42en")):
            for feature in range(24):
                star(feature, True)
            first = f"/api/features?sae=1&starred=1&limit={limit}&{more}"
            want = [row["feature"] for row in self.server.api(
                first[5:].replace("limit=", "limit=2"))["rows"]]
            target, seen = first, []  # headers come lowered: no "Lily" above
            while target:
                answer = self.server.ask(target)
                self.assertEqual(answer.status, 200, (target, answer.body))
                page = answer.json()
                self.assertEqual(page["total"], len(want) - len(seen))
                seen += [row["feature"] for row in page["rows"]]
                for row in page["rows"]:  # also the one that it went on behind
                    star(row["feature"], False)
                link = answer.headers.get("link", "")
                self.assertEqual(bool(link), page["next"] is not None)
                target = link.partition("<")[2].partition(">")[0]
            self.assertEqual(seen, want, more)
            self.assertGreater(len(want), limit, more)


class Importing(OnCopy):
    """Tables by POST: all of one or nothing."""
    HEAD = "fingerprint,feature,label,starred,note,changed\n"

    def row(self, sae, feature, label, rest=",,"):
        return f"{sae:032x},{feature},{label},{rest}\n"

    def bring(self, table, query="", **headers):
        headers = {"Content-Type": "text/csv", **headers}
        if not isinstance(table, bytes):
            table = table.encode()
        return self.post(table, path="/api/labels/import" + query, **headers)

    def brought(self, table, query=""):
        answer = self.bring(table, query)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def labels(self):
        return {(x["fingerprint"][-1], x["feature"]): x["label"]
                for x in self.server.api("labels")["labels"]}

    def test_there_and_back(self):
        self.saved(mark(1, 3, HOSTILE, "a \"b\",\nc", True))
        self.saved(mark(2, 5, "x"))
        table = self.server.ask("/api/labels.csv").body
        before = self.server.api("labels")
        os.remove("own.labels.db")
        self.assertEqual(self.labels(), {})
        counts = {"read": 2, "new": 2, "replaced": 0, "same": 0, "kept": 0,
                  "elsewhere": 0}
        self.assertEqual(self.brought(table), counts)
        after = self.server.api("labels")
        self.assertEqual(after, before)
        self.assertEqual(self.brought(table), {**counts, "new": 0, "same": 2})

    def test_what_stays_and_what_is_replaced(self):
        self.saved(mark(1, 3, "mine"))
        table = (self.HEAD + self.row(1, 3, "theirs") + self.row(1, 4, "new")
                 + self.row(9, 4, "of another SAE"))
        done = self.brought(table)
        self.assertEqual((done["new"], done["kept"], done["elsewhere"]),
                         (2, 1, 1))
        self.assertEqual(self.labels()["1", 3], "mine")
        done = self.brought(table, "?replace=1")
        self.assertEqual((done["replaced"], done["same"]), (1, 2))
        self.assertEqual(self.labels(), {("1", 3): "theirs", ("1", 4): "new",
                                         ("9", 4): "of another SAE"})

    def test_a_wrong_row_leaves_all_as_it_was(self):
        good = self.HEAD + self.row(1, 3, "good") + self.row(1, 4, "good")
        for words, row in {
                "labels.csv:4: 'x' is no feature": self.row(1, "x", "a"),
                "labels.csv:4: sae1 has features 0 to 89, not 90":
                    self.row(1, 90, "a"),
                "labels.csv:4: starred": self.row(1, 5, "a", "2,,"),
                "is no fingerprint": "abc,5,a,,,\n",
                "201 bytes": self.row(1, 5, "a" * 201),
                "control character": self.row(1, 5, "a\x01b"),
                "a quote that does not end": self.row(1, 5, '"a'),
                "more than 32 columns": "," * 40 + "\n"}.items():
            answer = self.bring(good + row + self.row(1, 6, "good"))
            self.assertEqual(answer.status, 400, (words, answer.body))
            self.assertIn(words, answer.json()["error"])
        for words, table in {"no column fingerprint": b"", "NUL":
                             good.encode() + b"\0", "no column label":
                             b"fingerprint,feature\n"}.items():
            answer = self.bring(table)
            self.assertEqual(answer.status, 400, (words, answer.body))
            self.assertIn(words, answer.json()["error"])
        self.assertEqual(self.bring(good, "?replace=2").status, 400)
        self.assertEqual(self.bring(good, "?force=1").status, 400)
        self.assertFalse(os.path.exists("own.labels.db"))

    def test_not_from_elsewhere(self):
        good = self.HEAD + self.row(1, 3, "good")
        for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"},
                        {"Sec_Fetch_Site": "cross-site"},
                        {"Host": "evil.example"}):
            self.assertEqual(self.bring(good, **headers).status, 403, headers)
        for kind in ("text/plain", "application/json", "text/csvx", None,
                     "application/x-www-form-urlencoded"):
            answer = self.bring(good, **{"Content-Type": kind})
            self.assertEqual(answer.status, 415, kind)
        for method in "GET", "HEAD", "PUT", "DELETE":
            answer = self.server.ask("/api/labels/import", method=method)
            self.assertEqual(answer.status, 405, method)
        self.assertFalse(os.path.exists("own.labels.db"))
        self.assertEqual(self.bring(good, **{
            "Content-Type": "text/csv; charset=utf-8"}).status, 200)

    def test_size(self):
        rows = "".join(self.row(9, i, "a" * 180) for i in range(15_000))
        self.assertGreater(len(rows), 3 << 20)
        self.assertEqual(self.brought(self.HEAD + rows)["new"], 15_000)
        self.assertEqual(self.bring(b"x" * (5 << 20)).status, 413)
        # One that does not say how long it is.
        with self.server.connect() as s:
            s.sendall(b"POST /api/labels/import HTTP/1.1\r\nHost: localhost\r\n"
                      b"Content-Type: text/csv\r\n"
                      b"Transfer-Encoding: chunked\r\n\r\n")
            try:
                for _ in range(200):
                    s.sendall(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
                s.sendall(b"0\r\n\r\n")
            except OSError:
                pass
            self.assertIn(Answer(read_to_end(s)).status, (0, 413))


class Guarded(OnCopy):
    def test_not_from_elsewhere(self):
        port = self.server.port
        body = mark(label="x")
        for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"},
                        {"Origin": f"http://localhost:{port}"},
                        {"Origin": f"http://127.0.0.1:{port + 1}"},
                        {"Origin": "http://127.0.0.1"}, {"Origin": ""},
                        {"Sec_Fetch_Site": "cross-site"},
                        {"Sec_Fetch_Site": "same-site"}):
            self.refused(403, "another site", body, **headers)
        self.refused(403, "localhost", body, Host="evil.example")
        self.refused(403, "localhost", body, Host=f"evil.example:{port}",
                     Origin=f"http://evil.example:{port}")
        for kind in ("text/plain", "application/x-www-form-urlencoded",
                     "multipart/form-data; boundary=x", None,
                     "application/jsonp", "application/json-seq"):
            self.refused(415, "application/json", body, **{"Content-Type": kind})
        for method in "GET", "HEAD", "PUT", "DELETE", "OPTIONS":
            answer = self.server.ask("/api/label", method=method)
            self.assertEqual((answer.status, answer.headers["allow"]),
                             (405, "post"), method)
        self.assertFalse(os.path.exists("own.labels.db"))
        version = 0
        for headers in ({"Origin": f"http://127.0.0.1:{port}",
                         "Sec_Fetch_Site": "same-origin"},
                        {"Host": "localhost:9000",
                         "Origin": "http://localhost:9000"},
                        {"Content-Type": "application/json; charset=utf-8"}):
            body = mark(label=str(headers), version=version)
            version = self.saved(body, **headers)["version"]
        self.assertEqual(version, 3)

    def test_what_it_takes(self):
        good = mark(label="x")
        for words, body in {
                "no JSON": b"", "no JSON ": b"{", "no JSON  ": b"\xff{}",
                "the body": b"[]", "the body ": b"{}"}.items():
            self.refused(400, words.strip(), body)
        for key, value, words in (
                ("sae", "1", "the body"), ("label", None, "the body"),
                ("starred", 1, "the body"), ("more", 1, "the body"),
                ("label", "a" * 201, "201 bytes"),
                ("label", "a\nb", "control character"),
                ("label", "\u001b[2J", "control character"),
                ("note", "a" * 8001, "8001 bytes"),
                ("note", "\u0000", "")):
            self.refused(400, words, {**good, key: value})
        self.refused(404, "no SAE", {**good, "sae": 9})
        for feature in -1, 90, 2**40:
            self.refused(404, "features 0 to 89", {**good, "feature": feature})
        self.refused(409, "somebody else", {**good, "version": 1})
        for path, status in {"/api/label?sae=1": 415, "/api/%6Cabel": 405,
                             "/api/label/": 405}.items():
            answer = self.server.ask(path, method="POST")
            self.assertEqual(answer.status, status, path)
        self.assertFalse(self.server.api("labels")["labels"])

    def test_large_and_slow_bodies(self):
        self.refused(413, "too large", b"x" * 70_000)
        head = ("POST /api/label HTTP/1.1\r\nHost: localhost\r\n"
                "Content-Type: application/json\r\n")
        chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
        with self.server.connect() as s:
            s.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            try:
                for _ in range(64):
                    s.sendall(chunk)
                s.sendall(b"0\r\n\r\n")
            except OSError:
                pass
            self.assertIn(Answer(read_to_end(s)).status, (0, 413))
        begun = time.monotonic()
        with self.server.connect() as s:
            s.sendall(f"{head}Content-Length: 50\r\n\r\n".encode())
            s.settimeout(1)
            while time.monotonic() - begun < 20:
                try:
                    s.sendall(b"x")
                    if not s.recv(1):
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break
        self.assertLess(time.monotonic() - begun, 14)
        self.saved(mark(label="x"))


class Files(OnCopy):
    """What stands where the labels should be."""

    def bad(self, words):
        answer = self.server.ask("/api/labels")
        self.assertEqual(answer.status, 500)
        self.assertIn(words, answer.json()["error"])
        self.assertEqual(
            self.server.ask("/api/features?starred=1").status, 500)
        self.refused(500, words, mark(label="x"))
        # Browsing goes on, and says why there are no labels.
        shown = self.server.api("feature?sae=1&feature=3")["mark"]
        self.assertIn(words, shown["error"])
        self.assertEqual(len(self.server.api("features")["rows"]), 50)

    def test_no_labels(self):
        with open("own.labels.db", "wb") as f:
            f.write(b"something else" * 99)
        self.bad("is no SQLite database")
        shutil.copy("labels_source.db", "own.labels.db")
        self.bad("is not a file of labels")
        os.remove("own.labels.db")
        os.mkdir("own.labels.db")
        self.bad("not a regular file")

    def test_another_version(self):
        self.saved(mark(label="x"))
        with sqlite3.connect("own.labels.db") as db:
            db.execute("PRAGMA user_version = 7")
        self.bad("version 7 of labels")

    def test_damaged(self):
        self.saved(mark(label="x"))
        with open("own.labels.db", "r+b") as f:
            f.seek(4096)
            f.write(b"\xff" * 4096)
        self.bad("is damaged")

    def test_held_by_another(self):
        self.saved(mark(label="x"))
        db = sqlite3.connect("own.labels.db", isolation_level=None)
        db.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        self.refused(500, "another program is using it", mark(2, 3, "y"))
        self.assertLess(time.monotonic() - begun, 10)
        db.execute("ROLLBACK")
        # One that lets nobody read either: features are shown all the same.
        db.execute("BEGIN EXCLUSIVE")
        os.utime("own.labels.db")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            waits = pool.submit(self.post, mark(2, 3, "y"))
            time.sleep(.2)
            begun = time.monotonic()
            shown = self.server.api("feature?sae=1&feature=3")["mark"]
            self.assertLess(time.monotonic() - begun, 1.5)
            self.assertIn("another program is using it", shown["error"])
            self.assertEqual(waits.result().status, 500)
        db.execute("ROLLBACK")
        db.close()
        self.saved(mark(2, 3, "y"))

    def test_a_killed_writer(self):
        """Half of a change is taken back."""
        self.saved(mark(label="before"))
        pid = os.fork()
        if pid == 0:
            db = sqlite3.connect("own.labels.db", isolation_level=None)
            db.execute("PRAGMA cache_spill = 1")
            db.execute("PRAGMA cache_size = 1")
            db.execute("BEGIN IMMEDIATE")
            db.execute("UPDATE label SET label = 'half'")
            db.executemany("INSERT INTO label VALUES (?, 1, ?, 0, '', '', 1)",
                           [(f"{i:032x}", "x" * 190) for i in range(9, 999)])
            os._exit(0)
        os.waitpid(pid, 0)
        self.assertTrue(os.path.getsize("own.labels.db-journal"))
        self.assertEqual([x["label"] for x in
                          self.server.api("labels")["labels"]], ["before"])


if __name__ == "__main__":
    unittest.main()
