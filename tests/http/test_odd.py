# SPDX-License-Identifier: MIT
"""The API on databases out of the ordinary: without tokens, with one feature,
with a hundred thousand, with nothing active, damaged or made to harm.
"""
import os
import random
import shutil
import sqlite3
import time
import unittest

from client import SOURCE, NotStarted, Server, planted
from on_database import OnDatabase, ids, plain
from planted import WORDS, plant

PAGE = 16384


class Tokenless(OnDatabase):
    name, shape = "tokenless.db", {"has_tokens": False}

    def test_all_pages(self):
        page = self.api("feature?sae=1&feature=3&window=2")
        self.assertEqual(page["strings"], [])
        self.assertIsNone(page["sources"])
        self.assertEqual(page["logits"], {"promoted": [], "suppressed": []})
        for example in page["examples"]:
            self.assertEqual(example["sources"], [])
            self.assertEqual(set(example["tokens"]), {None})
            self.assertEqual(len(example["levels"]), len(example["tokens"]))
        self.assertEqual(self.api("features")["rows"][0]["tokens"], [])
        self.assertEqual(self.api("features?token=a")["total"], 0)
        self.assertEqual(self.api("head?sae=1&head=0")["strings"], [])
        self.assertEqual(self.api("search?q=Lily")["results"], [])
        self.assertEqual(len(self.api("heads")["rows"]), 2)
        self.refused(404, "token?text=Lily")


class Twins(OnDatabase):
    """Two SAEs that fire alike."""
    name, shape = "twins.db", {"one_layer": True}

    def test_matches(self):
        page = self.api("compare?sae=1&other=2&sort=index&limit=50")
        self.assertEqual(page["total"], 89)
        for row in page["rows"]:
            fires, = self.sql("SELECT count(*) FROM activation WHERE sae = 1 "
                              "AND feature = ?", row["feature"])[0]
            self.assertEqual(row["looked"], min(fires, 64))
            same = [m["feature"] for m in row["matches"]
                    if m["feature"] % len(WORDS) ==
                    row["feature"] % len(WORDS)]
            if fires:
                self.assertTrue(same, row)
                self.assertEqual(row["matches"][0]["together"], fires)
                self.assertGreater(row["matches"][0]["correlation"], .99)
            values = [m["correlation"] for m in row["matches"]]
            self.assertTrue(all(-1 <= v <= 1.00001 for v in values), values)
            self.assertEqual(values, sorted(values, reverse=True))
        rest = self.api("compare?sae=1&other=2&sort=index&offset=80")["rows"]
        self.assertEqual([r["feature"] for r in rest], list(range(80, 89)))
        self.refused(404, "compare?sae=1&other=3")
        self.refused(400, "compare?sae=1")
        self.refused(400, "compare?other=1")
        self.refused(400, "compare?sae=1&other=2&limit=51")


class Single(OnDatabase):
    name, shape = "single.db", {"layers": 1, "features": 1, "heads": 1}

    def test_all_pages(self):
        for sort in "density", "max", "share", "index":
            for order in "asc", "desc":
                page = self.api(f"features?sort={sort}&order={order}")
                self.assertEqual((page["total"], ids(page["rows"])),
                                 (1, [(1, 0)]))
        self.assertEqual(len(self.api("feature?sae=1&feature=0")["heads"]), 1)
        self.assertEqual(self.api("head?sae=1&head=0")["total"], 1)
        self.assertEqual(self.api("heads")["rows"][0]["heads"][0]["features"],
                         1)
        self.refused(404, "feature?sae=1&feature=1")


class Silent(OnDatabase):
    """Nothing ever fired."""
    name = "silent.db"

    @classmethod
    def setUpClass(cls):
        plant(cls.name, SOURCE, layers=1, features=20)
        db = sqlite3.connect(cls.name)
        with db:
            for table in ("example", "example_set", "example_activation",
                          "head_example", "token_feature", "histogram",
                          "example_source", "feature_source_offset",
                          "feature_source_token", "feature_logit",
                          "activation", "activation_by_token"):
                db.execute(f"DELETE FROM {table}")
            db.execute("UPDATE feature SET fires = 0, density = 0, max = NULL, "
                       "mean = NULL, scale = NULL, strings = NULL, "
                       "entropy = NULL, top_head = NULL, top_share = NULL")
            db.execute("UPDATE feature_head SET data_share = NULL")
        db.close()
        super().setUpClass()

    def test_all_pages(self):
        for sort in "density", "max", "share", "index":
            self.assertEqual(self.api(f"features?sort={sort}")["total"], 20)
        self.assertEqual(self.api("features?dead=0")["total"], 0)
        self.assertEqual(self.api("feature?sae=1&feature=3")["examples"], [])
        self.assertEqual(self.api("head?sae=1&head=0")["rows"], [])
        cell = self.api("heads")["rows"][0]["heads"][0]
        self.assertEqual((cell["activations"], cell["mean_share"]), (0, None))
        self.assertEqual(self.api("token?text=%20Lily")["rows"], [])


class Large(OnDatabase):
    name, shape = "large.db", {"layers": 1, "features": 100000, "heads": 2}

    def seconds(self, offset):
        begun = time.monotonic()
        page = self.api(f"features?sort=share&offset={offset}")
        self.assertEqual((page["total"], len(page["rows"])), (100000, 50))
        return time.monotonic() - begun

    def test_pages_are_as_quick_wherever_they_are(self):
        self.api("features?sort=share")  # the first makes the order
        first = min(self.seconds(0) for _ in range(9))
        for offset in 1000, 50000, 99950:
            self.assertLess(min(self.seconds(offset) for _ in range(9)),
                            5 * first)
        self.assertEqual(self.api("features?sort=max&offset=99999")["rows"][0]
                         ["max"], None)
        self.assertEqual(self.api("head?sae=1&head=1")["total"], 99999)


class Damaged(OnDatabase):
    """What a file from anywhere may hold."""
    name = "damaged.db"

    @classmethod
    def setUpClass(cls):
        plant(cls.name, SOURCE, layers=2, features=20)
        db = sqlite3.connect(cls.name)
        with db:
            db.execute("PRAGMA writable_schema = ON")
            db.execute("PRAGMA ignore_check_constraints = ON")
            db.execute("UPDATE context SET first_token = ?, tokens = ? "
                       "WHERE id = 0", (2**63 - 1, 2**63 - 1))
            db.execute("UPDATE context SET tokens = -5 WHERE id = 1")
            db.execute("UPDATE context SET first_token = ? WHERE id = 2",
                       (-2**63,))
            db.execute("UPDATE feature SET max = 9e999, mean = -9e999, "
                       "top_head = 1000000 WHERE feature = 3")
            db.execute("UPDATE feature SET top_head = -7 WHERE feature = 4")
            db.execute("UPDATE feature_head SET head = head + 1000000 "
                       "WHERE feature = 5")
            db.execute("UPDATE histogram SET bin = bin + 1000 "
                       "WHERE feature = 6")
            for table in ("activation", "example_activation"):
                db.execute(f"UPDATE {table} SET level = 100000 + level")
            db.execute("UPDATE vocab SET text = CAST(x'ff41' AS TEXT) "
                       "WHERE id = 1")
            db.execute("UPDATE vocab SET text = CAST(x'410042' AS TEXT) "
                       "WHERE id = 2")
            db.execute("UPDATE sae SET heads = 2147483647 WHERE id = 2")
            db.execute("UPDATE sae SET name = CAST(x'ff' AS TEXT) "
                       "WHERE id = 1")
        db.close()
        super().setUpClass()

    def test_answers_are_json_and_the_server_lives(self):
        targets = [f"context?context={c}&position=3&one=1:3"
                   for c in range(4)]
        targets += ["compare?sae=1&other=2", "compare?sae=2&other=1",
                    "training", "about", "heads", "head?sae=1&head=1",
                    "head?sae=2&head=9",
                   "features?sort=max", "features?token=Lily", "token?vocab=1",
                   "token?vocab=2", "search?q=A", "features?head=1&min_share=0"]
        targets += [f"feature?sae=1&feature={f}&window=32" for f in range(20)]
        for target in targets:
            answer = self.server.ask("/api/" + target)
            self.assertIn(answer.status, (200, 500), target)
            answer.json()
        self.assertEqual(self.api("features")["total"], 40)


class Far(OnDatabase):
    """Numbers at the ends of what there are."""
    name = "far.db"

    @classmethod
    def setUpClass(cls):
        plant(cls.name, SOURCE, layers=1, features=20)
        db = sqlite3.connect(cls.name)
        with db:
            db.execute("UPDATE example_source SET source = source + ?",
                       (2**62,))
            db.execute("UPDATE vocab SET text = 'same', count = ?",
                       (2**63 - 1,))
            db.execute("INSERT INTO vocab VALUES (?, 'same', NULL, 1)",
                       (2**62,))
            db.execute("INSERT INTO vocab VALUES (-5, 'same', NULL, 1)")
            db.execute("UPDATE token SET vocab = ? WHERE id % 3 = 0", (2**62,))
            db.execute("UPDATE token SET vocab = -5 WHERE id % 3 = 1")
            db.execute("UPDATE token_feature SET count = ?", (2**63 - 1,))
        db.close()
        super().setUpClass()

    def test_nothing_is_written_out_of_bounds(self):
        for feature in range(19):
            for example in self.api(f"feature?sae=1&feature={feature}"
                                    "&window=32")["examples"]:
                self.assertEqual(len(example["levels"]),
                                 len(example["tokens"]))
                self.assertEqual({plain(t) for t in example["tokens"]},
                                 {"same"})
        self.api("token?text=same")
        self.api("features?token=same")
        self.assertEqual({plain(t) for row in self.api("features")["rows"]
                          for t in row["tokens"]}, {"same"})


class DamagedPages(unittest.TestCase):
    """Pages of the file are overwritten, at random places, also while it is
    served: an answer is right, or says that the file is damaged; the server
    stays, and what lies on other pages is answered as before."""
    TARGETS = [f"feature?sae={s}&feature={f}&kind={k}" for s in (1, 2)
               for f in range(0, 90, 9) for k in ("top", "width", "silent")]
    TARGETS += ["features?sort=max", "features?token=Lily", "features?source=Ben",
                "features?head=1&min_share=0.1&sort=share", "heads", "training",
                "head?sae=1&head=1", "head?sae=2&head=0", "token?text=%20Lily",
                "search?q=L", "context?context=3&position=2", "about", "labels",
                "compare?sae=1&other=2", "sql?q=SELECT+sum(level)+FROM+activation"]

    def damage(self, name, rng, pages):
        with open(name, "r+b") as f:
            f.seek(0, os.SEEK_END)
            size = f.tell()
            for _ in range(pages):
                page = rng.randrange(1, size // PAGE)  # the first is the schema
                kind = rng.randrange(3)
                if kind == 0:  # all of it
                    f.seek(page * PAGE)
                    f.write(rng.randbytes(PAGE))
                elif kind == 1:  # its head: type, cells, the child to the right
                    f.seek(page * PAGE)
                    f.write(bytes([rng.choice((2, 5, 10, 13))])
                            + rng.randbytes(11))
                else:  # where cells begin, lengths in them
                    f.seek(page * PAGE + rng.randrange(PAGE - 64))
                    f.write(rng.randbytes(64))

    def look(self, server):
        """How many were answered, how many refused."""
        counts = {200: 0, 500: 0}
        for target in self.TARGETS:
            answer = server.ask("/api/" + target)
            self.assertIn(answer.status, (200, 400, 404, 500, 503), target)
            if answer.status != 200:
                self.assertEqual(list(answer.json()), ["error"], target)
            counts[200 if answer.status == 200 else 500] += 1
            self.assertEqual(server.ask("/").status, 200)
        return counts

    def test_before_it_is_opened(self):
        whole = planted("whole.db")
        refused = answered = 0
        for seed in range(12):
            shutil.copy(whole, "pages.db")
            self.damage("pages.db", random.Random(seed), 1 + seed % 6)
            try:
                server = Server("pages.db")
            except NotStarted as e:
                self.assertEqual(e.args, (2,))
                continue
            with server:
                counts = self.look(server)
            refused += counts[500]
            answered += counts[200]
        self.assertGreater(refused, 10)
        self.assertGreater(answered, 100)

    def test_while_it_is_served(self):
        for seed in range(4):
            shutil.copy(planted("whole.db"), "pages.db")
            with Server("pages.db") as server:
                self.assertEqual(self.look(server)[500], 0)
                self.damage("pages.db", random.Random(seed), 12)
                self.look(server)
                answer = server.ask("/api/search?q=L")
                self.assertIn("headscope-changed", answer.headers)

    def test_cut_off_while_it_is_served(self):
        """A page that is gone is an error, and not the end of the server."""
        shutil.copy(planted("whole.db"), "pages.db")
        with Server("pages.db") as server:
            self.assertEqual(self.look(server)[500], 0)
            with open("pages.db", "r+b") as f:
                f.truncate(5 * PAGE)
            self.assertGreater(self.look(server)[500], 0)
            shutil.copy(planted("whole.db"), "pages.db")
            self.look(server)


if __name__ == "__main__":
    unittest.main()
