# SPDX-License-Identifier: MIT
"""The API's answers about circuits against what was planted."""
import csv
import io
import sqlite3
import time
import unittest

from client import SOURCE, Server
from on_database import OnDatabase
from planted import HOSTILE
from planted_circuits import (ANSWERS, NAMES, PROMPTS, TASKS, code, edge, label,
                              plant_circuits, score, tokens)

HEAD = "circuit=1&layer=1&head=0"


class OnCircuits(OnDatabase):
    name, saes, tasks = "circuits.db", False, TASKS

    @classmethod
    def setUpClass(cls):
        plant_circuits(cls.name, SOURCE, saes=cls.saes, tasks=cls.tasks)
        cls.server = Server(cls.name)
        cls.api = staticmethod(cls.server.api)
        cls.db = sqlite3.connect(cls.name)

    def table(self, target):
        answer = self.server.ask("/api/" + target)
        self.assertEqual(answer.status, 200, answer.body)
        return list(csv.DictReader(io.StringIO(answer.body.decode())))


class Circuits(OnCircuits):
    def test_list(self):
        rows = self.api("circuits")["rows"]
        self.assertEqual([r["name"] for r in rows], [t[0] for t in TASKS])
        first = rows[0]
        self.assertEqual(first["options"], {"examples": 4, "position": "mean"})
        self.assertEqual((first["auc"], first["auc_sd"], first["f1"],
                          first["paper_f1_sd"]), (.9, .01, .2, .07))
        self.assertEqual((first["prompts"], first["positives"]), (12, 6))
        self.assertIsNone(rows[2]["auc"])
        self.assertEqual(self.api("about")["circuits"], 4)
        self.assertEqual(len(self.table("circuits.csv")), 4)

    def test_heads(self):
        rows = self.api("circuit?circuit=1")["rows"]
        self.assertEqual([(r["layer"], r["head"]) for r in rows], NAMES)
        for r in rows:
            at = r["layer"], r["head"]
            self.assertEqual(r["name"], "L%dH%d" % at)
            self.assertEqual(r["score"], score(*at))
            self.assertEqual(r["in_circuit"], int(at in TASKS[0][2]))
            self.assertEqual(r["effect"], -.5 if r["in_circuit"] else .1)
        rows = self.api("circuit?circuit=3")["rows"]
        self.assertEqual({r["in_circuit"] for r in rows}, {None})
        for circuit, titles in ((1, ("codes", "labels shuffled")),
                                (2, ("answer", "answers shuffled")),
                                (4, ("share", "labels shuffled"))):
            of = {m["name"]: m["title"] for m in
                  self.api(f"circuit?circuit={circuit}")["measures"]}
            self.assertEqual((of["score"], of["score_shuffled"]), titles)
        table = self.table("circuit.csv?circuit=1")
        self.assertEqual([r["name"] for r in table],
                         ["L%dH%d" % n for n in NAMES])
        # The view says the same.
        self.assertEqual(
            [s for s, in self.sql("SELECT score FROM node_score_of_head "
                                  "WHERE circuit = 1 ORDER BY layer, head")],
            [score(*n) for n in NAMES])

    def test_curves(self):
        answer = self.api("circuit?circuit=1")
        rows, curves = answer["rows"], answer["curves"]
        self.assertEqual([c["name"] for c in curves],
                         [m["name"] for m in answer["measures"]])
        for curve in curves:
            inside = [r[curve["name"]] for r in rows if r["in_circuit"]]
            outside = [r[curve["name"]] for r in rows if not r["in_circuit"]]
            won = sum((a > b) + (a == b) / 2 for a in inside for b in outside)
            self.about_equal(curve["auc"], won / len(inside) / len(outside))
            self.assertEqual(curve["points"][0], [None, 0, 0])
            self.assertEqual(curve["points"][-1][1:], [1, 1])
            for least, wrong, right in curve["points"][1:]:
                self.about_equal(right,
                                 sum(x >= least - 1e-6 for x in inside) / 2)
                self.about_equal(wrong,
                                 sum(x >= least - 1e-6 for x in outside) / 4)
        # Equal scores are one point.
        scores = {r["score"] for r in rows}
        self.assertEqual(len(curves[0]["points"]), 1 + len(scores))
        self.assertEqual(self.api("circuit?circuit=3")["curves"], [])

    def test_codes(self):
        for at in NAMES:
            answer = self.api("circuit_codes?circuit=1&layer=%d&head=%d" % at)
            seen = {}
            for p in range(PROMPTS):
                if code(*at, p) is not None:
                    counts = seen.setdefault(code(*at, p), [0, 0])
                    counts[label(p)] += 1
            rows = answer["rows"]
            self.assertEqual({r["code"]: [r["negatives"], r["positives"]]
                              for r in rows}, seen)
            only = [r["negatives"] == 0 for r in rows]
            self.assertEqual(only, sorted(only, reverse=True))
            self.assertEqual(answer["only_positives"], score(*at))
            self.assertEqual(answer["only_positives"] + answer["both"] +
                             answer["only_negatives"], len(rows))

    def test_prompts(self):
        answer = self.api(f"circuit_prompts?{HEAD}&code=20")
        self.assertEqual([r["prompt"] for r in answer["rows"]], [0, 2, 4])
        self.assertEqual((answer["total"], answer["offset"]), (3, 0))
        every = self.api(f"circuit_prompts?{HEAD}")
        self.assertEqual([r["prompt"] for r in every["rows"]],
                         [*range(0, 12, 2), *range(1, 12, 2)])
        for r in every["rows"]:
            p = r["prompt"]
            self.assertEqual(r["label"], label(p))
            self.assertEqual(r["code"], code(1, 0, p))
            self.assertEqual((r["position"], r["first"]), (4, 0))
            self.assertEqual(r["answer"], ANSWERS[p] if p < 10 else None)
            for told, text in zip(r["tokens"], tokens(p), strict=True):
                if isinstance(told, str):
                    self.assertEqual(told, text)
                elif "cut" in told:
                    self.assertEqual(told["cut"], len(text))
                else:
                    self.assertEqual(told, {"text": text, "escaped": True})
        # A head without a code at a third of them.
        rows = self.api("circuit_prompts?circuit=1&layer=0&head=1")["rows"]
        self.assertEqual({r["prompt"] for r in rows if r["code"] is None},
                         {0, 3, 6, 9})
        self.assertEqual(self.api(f"circuit_prompts?{HEAD}&code=99")["rows"],
                         [])
        table = self.table(f"circuit_prompts.csv?{HEAD}&code=20")
        self.assertEqual([r["text"] for r in table],
                         ["".join(tokens(p)) for p in (0, 2, 4)])

    def test_pages_of_prompts(self):
        rows = self.pages(f"circuit_prompts?{HEAD}&code=21", 2)
        self.assertEqual(len(rows), 9)
        self.assertEqual(len({r["prompt"] for r in rows}), 9)

    def test_edges(self):
        answer = self.api("circuit_edges?circuit=1")
        want = {("L%dH%d" % a, "L%dH%d" % b): edge(a, b)
                for i, a in enumerate(NAMES) for b in NAMES[i + 1:]
                if edge(a, b)}
        self.assertEqual({(r["head"], r["other"]): r["pairs"]
                          for r in answer["rows"]}, want)
        pairs = [r["pairs"] for r in answer["rows"]]
        self.assertEqual(pairs, sorted(pairs, reverse=True))
        self.assertEqual(answer["total"], len(want))
        two = self.api("circuit_edges?circuit=1&limit=2")
        self.assertEqual((two["rows"], two["total"]),
                         (answer["rows"][:2], len(want)))
        for head, other in want:
            target = "circuit_pairs?circuit=1&layer={}&head={}" \
                "&other_layer={}&other_head={}".format(
                    head[1], head[3], other[1], other[3])
            rows = self.api(target)["rows"]
            self.assertEqual(len(rows), want[head, other], target)
            for r in rows:
                at = [p for p in range(PROMPTS)
                      if code(int(head[1]), int(head[3]), p) == r["code"] and
                      code(int(other[1]), int(other[3]), p) == r["other_code"]]
                self.assertEqual(len(at), r["prompts"])
                self.assertTrue(all(map(label, at)))

    def test_overlap(self):
        rows = self.api("circuit_overlap?circuit=1")["rows"]
        # Not the one without a truth, nor that of another model.
        self.assertEqual(rows, [{
            "other": 2, "name": "second", "heads": 2, "other_heads": 2,
            "both": 1, "jaccard": .333333, "of_first": .5,
            "expected": .666667}])
        view = self.sql("SELECT both, jaccard, of_first, expected FROM "
                        "circuit_overlap WHERE circuit = 1 AND other = 2")[0]
        for key, value in zip(("both", "jaccard", "of_first", "expected"),
                              view):
            self.about_equal(rows[0][key], value)
        self.assertEqual(self.sql("SELECT * FROM circuit_overlap WHERE 4 IN "
                                  "(circuit, other)"), [])
        # By score all of the model's tasks have the same heads.
        rows = self.api("circuit_overlap?circuit=1&set=score&size=3")["rows"]
        self.assertEqual([(r["other"], r["heads"], r["both"], r["jaccard"],
                           r["expected"]) for r in rows],
                         [(2, 3, 3, 1, 1.5), (3, 3, 3, 1, 1.5)])
        self.assertEqual(self.api("circuit_overlap?circuit=3")["rows"], [])
        all_heads = self.api("circuit_overlap?circuit=1&set=score&size=99")
        self.assertEqual(all_heads["rows"][0]["heads"], len(NAMES))

    def test_refused(self):
        for target in ("circuit", "circuit_edges", "circuit_overlap",
                       "circuit_codes?layer=0&head=0",
                       "circuit_codes?circuit=1&layer=0",
                       "circuit_codes?circuit=1&head=0",
                       "circuit_pairs?circuit=1&layer=0&head=0",
                       "circuit?circuit=x", "circuit?circuit=1&more=2",
                       "circuits?circuit=1", "circuit?circuit=1.5",
                       f"circuit_prompts?{HEAD}&code=-1",
                       f"circuit_prompts?{HEAD}&code=", f"{HEAD}",
                       f"circuit_prompts?{HEAD}&limit=0",
                       f"circuit_codes?{HEAD}&layer=1",
                       "circuit_overlap?circuit=1&set=both",
                       "circuit_overlap?circuit=1&set=score&size=0",
                       "circuit_edges?circuit=1&limit=20001"):
            status = 404 if target == HEAD else 400
            self.refused(status, target)
        for target in ("circuit?circuit=0", "circuit?circuit=5",
                       "circuit?circuit=-9223372036854775808",
                       "circuit_codes?circuit=1&layer=2&head=0",
                       "circuit_codes?circuit=1&layer=0&head=3",
                       "circuit_prompts?circuit=9&layer=0&head=0",
                       "circuit_pairs?circuit=1&layer=0&head=0"
                       "&other_layer=7&other_head=0"):
            self.refused(404, target)

    def test_no_sae(self):
        """The rest answers, too, with nothing."""
        self.assertEqual(self.api("features")["rows"], [])
        self.assertEqual(self.api("heads")["rows"], [])
        self.assertEqual(self.api("training")["saes"], [])
        self.refused(404, "feature?sae=1&feature=0")
        self.assertEqual(self.server.ask("/api/context").json(),
                         {"error": "the database has no context"})

    def test_hostile_name(self):
        row = self.api("circuit?circuit=3")["circuit"]
        self.assertEqual(row["name"], HOSTILE["markup"])


class BesideSaes(OnCircuits):
    name, saes = "both.db", True

    def test_both(self):
        about = self.api("about")
        self.assertEqual((len(about["saes"]), about["circuits"]), (2, 4))
        self.assertEqual(len(self.api("circuit?circuit=1")["rows"]), 6)


class Without(OnCircuits):
    name, saes, tasks = "none.db", True, ()

    def test_none(self):
        self.assertEqual(self.api("about")["circuits"], 0)
        self.assertEqual(self.api("circuits"), {"rows": []})
        self.refused(404, "circuit?circuit=1")


class Damaged(OnCircuits):
    """Rows that headscope does not write."""
    name = "damaged.db"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        assert cls.server.stop() == 0
        with cls.db:
            cls.db.execute("UPDATE circuit SET options = '{' WHERE id = 1")
            cls.db.execute("UPDATE circuit_head SET score = 9e999 "
                           "WHERE circuit = 1 AND layer = 0 AND head = 0")
            cls.db.execute("UPDATE circuit_prompt SET position = "
                           "9223372036854775807 WHERE prompt = 0")
            cls.db.execute("UPDATE circuit_prompt SET position = "
                           "-9223372036854775808 WHERE prompt = 2")
            cls.db.execute("UPDATE circuit_head SET in_circuit = 1 "
                           "WHERE circuit = 2")
            cls.db.execute("DELETE FROM circuit_edge WHERE circuit = 4")
            cls.db.execute("DELETE FROM circuit_code WHERE circuit = 4")
            cls.db.execute("DELETE FROM circuit_head WHERE circuit = 4")
        cls.server = Server(cls.name)
        cls.api = staticmethod(cls.server.api)

    def test_answers(self):
        one = self.api("circuit?circuit=1")
        self.assertIsNone(one["circuit"]["options"])
        self.assertIsNone(one["rows"][0]["score"])
        self.assertEqual(one["curves"][0]["points"][-1][1:], [1, 1])
        self.assertEqual(self.api("circuit?circuit=2")["curves"], [])
        self.assertEqual(self.api("circuit?circuit=4")["rows"], [])
        self.assertEqual(self.api("circuit_overlap?circuit=4")["rows"], [])
        rows = self.api(f"circuit_prompts?{HEAD}&code=20")["rows"]
        self.assertEqual([len(r["tokens"]) for r in rows], [0, 5, 5])


class Many(OnCircuits):
    """As many as a model of GPT-2's size has, in no time."""
    name, tasks = "many.db", ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        assert cls.server.stop() == 0
        heads = [(i // 12, i % 12) for i in range(144)]
        with cls.db:
            cls.db.execute("INSERT INTO circuit (id, name, model, fingerprint, "
                           "layers, first_layer, heads, prompts, positives, "
                           "seeds, options) VALUES (1, 'm', 'm', '', 12, 0, 12,"
                           " 500, 250, 1, '{}')")
            cls.db.executemany(
                "INSERT INTO circuit_prompt VALUES (1, ?, ?, '', NULL, NULL)",
                ((p, p % 2) for p in range(500)))
            cls.db.executemany(
                "INSERT INTO circuit_token VALUES (1, ?, ?, ' word', 0)",
                ((p, i) for p in range(500) for i in range(30)))
            cls.db.executemany(
                "INSERT INTO circuit_head VALUES (1, ?, ?, ?, ?, 1, 1, 1, 1, ?,"
                " NULL)", ((*h, "L%dH%d" % h, i, i % 9 == 0)
                           for i, h in enumerate(heads)))
            cls.db.executemany(
                "INSERT INTO circuit_code VALUES (1, ?, ?, ?, ?)",
                ((*h, p, (p * (i + 1)) % 200) for i, h in enumerate(heads)
                 for p in range(500)))
            cls.db.executemany(
                "INSERT INTO circuit_edge VALUES (1, ?, ?, ?, ?, ?)",
                ((*heads[i], *heads[j], 1 + i * j % 97) for i in range(144)
                 for j in range(i + 1, 144)))
        cls.server = Server(cls.name)
        cls.api = staticmethod(cls.server.api)

    def test_fast(self):
        for target in ("circuit?circuit=1", "circuit_edges?circuit=1&limit="
                       "20000", "circuit_codes?circuit=1&layer=5&head=5",
                       "circuit_prompts?circuit=1&layer=5&head=5&limit=200",
                       "circuit_pairs?circuit=1&layer=0&head=5&other_layer=9"
                       "&other_head=1"):
            best = 9
            for _ in range(3):
                start = time.monotonic()
                rows = self.api(target)["rows"]
                best = min(best, time.monotonic() - start)
            self.assertGreater(len(rows), 40, target)
            # Tens of milliseconds; what walked all codes would take seconds.
            self.assertLess(best, 1, target)
        self.assertEqual(self.api("circuit_edges?circuit=1&limit=20000")
                         ["total"], 144 * 143 // 2)


if __name__ == "__main__":
    unittest.main()
