# SPDX-License-Identifier: MIT
"""Questions about prompts: answered as by `headscope prompt`, refused, bounded."""
import json
import math
import os
import shutil
import sqlite3
import subprocess
import time
import unittest
from urllib.parse import urlencode

from client import HEADSCOPE, SOURCE, Answer, Server, read_to_end

MODEL = os.path.join(SOURCE, "examples", "tiny-gpt2")
TEXT = "Then, Emma and Rose went to the library. Rose gave a cookie to"
OTHER = TEXT.replace("Rose gave", "Ben gave")
LONG = " ".join(["and then the cat sat by the dog all day"] * 12)


def target(text=TEXT, **parameters):
    return "/api/prompt?" + urlencode({"text": text, **parameters})


def request(path):
    return (f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"
            "Connection: close\r\n\r\n").encode()


def command_line(text=TEXT, **parameters):
    options = [f"--{name}={value}" for name, value in parameters.items()]
    out = subprocess.run([HEADSCOPE, "prompt", MODEL, "layer0.sae",
                          "layer1.sae", "--json", "-q", *options, "--", text],
                         check=True, stdout=subprocess.PIPE)
    return json.loads(out.stdout)


def copy(name, *changes):
    """The database under another name, changed."""
    shutil.copy("tiny.db", name)
    with sqlite3.connect(name) as db:
        for change in changes:
            db.execute(change)
    db.close()
    return name


class OnServer(unittest.TestCase):
    options = ("--model", MODEL)

    @classmethod
    def setUpClass(cls):
        cls.server = Server("tiny.db", *cls.options)

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def ask(self, *arguments, **parameters):
        answer = self.server.ask(target(*arguments, **parameters))
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def refused(self, words, path, status=400, server=None):
        answer = (server or self.server).ask(path)
        self.assertEqual(answer.status, status, (path, answer.body))
        self.assertEqual(list(answer.json()), ["error"])
        self.assertIn(words, answer.json()["error"], path)


class Answers(OnServer):
    def same(self, a, b, where=""):
        """Equal but for the last digits of what is written with nine."""
        if isinstance(a, float) and isinstance(b, (int, float)):
            self.assertTrue(math.isclose(a, b, rel_tol=1e-8, abs_tol=1e-300),
                            (where, a, b))
        elif isinstance(a, dict):
            self.assertEqual(list(a), list(b), where)
            for key, value in a.items():
                self.same(value, b[key], f"{where}.{key}")
        elif isinstance(a, list):
            self.assertEqual(len(a), len(b), where)
            for i, value in enumerate(a):
                self.same(value, b[i], f"{where}[{i}]")
        else:
            self.assertEqual(a, b, where)

    def test_as_the_command_line(self):
        strongest = max(self.ask(features=8, ask="features")["features"]
                        ["features"], key=lambda f: (f["layer"], f["position"],
                                                     f["activation"]))
        feature = "L{layer}F{feature}@{position}".format(**strongest)
        for parameters in (
                {}, {"position": 5, "top": 3}, {"bos": "never"},
                {"token": " Rose", "minus": "id:7", "top": 1000},
                {"features": 3}, {"feature": feature},
                {"feature": feature, "recursive": "largest"},
                {"edit": f"L1H2x0.5+{feature.split('@')[0]}", "top": 5},
                {"with": OTHER, "edit": "L1H0=other", "features": 1},
                {"with": "Then"}):
            want = command_line(**parameters)
            got = self.ask(**parameters)
            want = {key: want[key] for key in got}  # the CLI adds how it ran
            self.same(got, want, str(parameters))
            self.assertGreaterEqual(set(got), {"tokens", "next", "logit"})
        for part, parameters in {"next": {}, "tokens": {}, "edit": {
                "edit": "L1H0"}, "features": {"features": 1}}.items():
            got = self.ask(ask=part, **parameters)
            wanted = {"tokens", "layers", "saes"} if part == "tokens" else {part}
            self.assertEqual(set(got), wanted)

    def test_about_the_model(self):
        model = self.server.api("model")
        with sqlite3.connect("tiny.db") as db:
            saes = db.execute("SELECT layer, name, fingerprint, id FROM sae"
                              " ORDER BY layer").fetchall()
            dump, = db.execute("SELECT model_fingerprint FROM dump")
        self.assertEqual([(s["layer"], s["name"], s["fingerprint"], s["id"])
                          for s in model["saes"]], saes)
        self.assertEqual(model["fingerprint"], dump[0])
        self.assertEqual((model["layers"], model["heads"], model["positions"]),
                         (4, 8, 256))

    def test_answers_are_kept_apart(self):
        """Asked again it is the same bytes; asked otherwise, another answer."""
        asked = [target(), target(position=3), target(top=2), target(OTHER),
                 target(bos="never"), target(token=" a"), target(minus=" a"),
                 target(features=1), target(ask="next"), target(edit="L1H0"),
                 target(edit="L1H1"), target(**{"with": OTHER}),
                 target(feature="L0F1@3"), target(feature="L0F1@4")]
        for _ in range(2):
            bodies = [self.server.ask(path).body for path in asked]
            self.assertEqual(len(set(bodies)), len(asked))
            self.assertEqual(bodies, [self.server.ask(path).body
                                      for path in reversed(asked)][::-1])

    def test_many_texts_in_turn(self):
        """More than are kept; each is what it is when it is asked alone."""
        texts = [f"Once there was a {w}" for w in (
            "cat dog bird fish girl boy tree house car ball king queen"
        ).split()]
        first = [self.ask(t, top=3) for t in texts]
        self.assertEqual([self.ask(t, top=3, ask="tokens,next,logit")
                          for t in texts], first)

    def test_induction(self):
        out = subprocess.run([HEADSCOPE, "induction", MODEL, "--json", "-q",
                              "--count", "3", "--tokens", "20", "--longest",
                              "4", "--seed", "5"], check=True,
                             stdout=subprocess.PIPE)
        want = json.loads(out.stdout)
        got = self.server.api("induction?count=3&tokens=20&longest=4&seed=5")
        self.same(got, {key: want[key] for key in got})
        self.assertEqual(len(got["heads"]), 32)
        self.assertNotEqual(self.server.api(
            "induction?count=3&tokens=20&longest=4&seed=6"), got)
        self.refused("count", "/api/induction?count=1001")
        self.refused("positions", "/api/induction?tokens=300")

    def test_rows_of_named_features(self):
        named = self.server.api("features?names=1:3,2:0")["rows"]
        listed = self.server.api("features?sae=1&sort=index&offset=3&limit=1")
        self.assertEqual(named[0], listed["rows"][0])
        self.assertEqual((named[1]["sae"], named[1]["feature"]), (2, 0))
        for names in "3:1", "1:512", "1", "1:2x", "1:1;", "1:-1", ",":
            self.refused("is no feature", f"/api/features?names={names}")
        many = ",".join(f"1:{i}" for i in range(201))
        self.refused("more than 200", f"/api/features?names={many}")


class Refusals(OnServer):
    def test_each_with_its_words(self):
        for words, parameters in {
                "the prompt is empty": {"text": ""},
                "control character U+0007 at byte 1": {"text": "a\ab"},
                "tokens, but the model only 256 positions": {"text": "a " * 300},
                "with: the prompt is empty": {"with": ""},
                "the model has ids 0 to 2047": {"token": "id:2048"},
                "is 3 tokens, not one": {"token": "a b c"},
                "the prompt has tokens 0 to 15": {"position": 16},
                "L2F1@0: layer 2 has no SAE here": {"feature": "L2F1@0"},
                "features 0 to 511": {"feature": "L0F512@0"},
                "write a head as L2H1, a feature as L2F130": {"feature": "0:1"},
                "a head of the feature's layer": {"feature": "L0F1@3",
                                                  "recursive": "L1H0@0"},
                "needs another prompt": {"edit": "L0H1=other"},
                "no SAE of layer 2": {"edit": "L2F0"},
                "need a feature": {"recursive": "largest"},
                "with, the other text, is missing": {"ask": "compare"},
                "edit is missing": {"ask": "edit"},
                "not 'all'": {"ask": "next,all"},
                "unknown parameter": {"layer": 1},
                "top": {"top": 1001}}.items():
            self.refused(words, target(**parameters))
        self.refused("text, the prompt, is missing", "/api/prompt?top=1")
        self.refused("not valid UTF-8", "/api/prompt?text=a%FF")
        self.refused("too long", target("a" * 9000), 414)
        self.refused("unknown parameter", "/api/model?text=a")
        self.assertEqual(self.server.ask(target(), method="POST").status, 405)
        self.assertEqual(self.server.ask("/api/prompt.csv?text=a").status, 404)

    def test_not_from_another_site(self):
        for site, status in {"cross-site": 403, "none": 200}.items():
            self.assertEqual(self.server.ask(
                target(), Sec_Fetch_Site=site).status, status)
        self.assertEqual(self.server.ask(target(), host="evil.example").status,
                         403)
        with Server("tiny.db", *self.options, "--token") as server:
            self.assertEqual(server.ask(target()).status, 401)


class OtherModels(OnServer):
    def fails(self, words, *arguments):
        run = subprocess.run([HEADSCOPE, "view", *arguments, "--dry-run", "-q",
                              "--port", "0"], text=True, check=False,
                             stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.assertEqual(run.returncode, 2, run.stderr)
        self.assertIn(words, run.stderr)

    def test_none(self):
        with Server("tiny.db") as server:
            self.refused("--model DIR", target(), 404, server)
            model = server.api("model")
            self.assertIsNone(model["model"])
            self.assertIn("--model DIR", model["how"])

    def test_another_model(self):
        name = copy("other.db", "UPDATE dump SET model = 'big',"
                    " model_fingerprint = '" + "0" * 32 + "'")
        with Server(name, *self.options) as server:
            for path in target(), "/api/model", target():
                self.refused("other.db was made from another model: 'big'",
                             path, 409, server)
            self.assertEqual(server.ask("/api/about").status, 200)
        self.fails("made from another model", name, "--model", MODEL)

    def test_another_sae(self):
        name = copy("sae.db", "UPDATE sae SET fingerprint = '" + "0" * 32 +
                    "' WHERE layer = 1")
        with Server(name, *self.options) as server:
            self.refused("is not the SAE of layer 1 in sae.db", target(), 409,
                         server)
        self.fails("no SAE of layer", copy("one.db", "DELETE FROM sae WHERE"
                                           " layer = 1"),
                   "--model", MODEL, "--sae", "layer0.sae,layer1.sae")
        with Server("tiny.db", *self.options, "--sae", "layer1.sae") as server:
            self.assertEqual(server.api("model")["saes"][0]["layer"], 1)
            self.refused("layer 0 has no SAE here", target(feature="L0F1@0"),
                         400, server)

    def test_wrong_folders(self):
        self.fails("cannot read no-such/config.json", "tiny.db", "--model",
                   "no-such")
        self.fails("need --model", "tiny.db", "--sae", "layer0.sae")
        self.fails("no-such.sae", "tiny.db", "--model", MODEL, "--sae",
                   "no-such.sae")

    def test_a_database_that_becomes_another(self):
        """What was known of the old one is forgotten."""
        name = copy("changing.db")
        with Server(name, *self.options) as server:
            self.assertEqual(server.ask(target()).status, 200)
            os.replace(copy("next.db", "UPDATE dump SET model_fingerprint = '"
                            + "1" * 32 + "'"), name)
            head = ("POST /api/renew HTTP/1.1\r\nHost: localhost\r\n"
                    "Content-Type: application/json\r\nContent-Length: 2\r\n"
                    "Connection: close\r\n\r\n{}")
            self.assertEqual(server.send(head.encode()).status, 200)
            self.refused("another model", target(), 409, server)
            os.replace(copy("next.db"), name)
            self.assertEqual(server.send(head.encode()).status, 200)
            self.assertEqual(server.ask(target()).status, 200)


class Bounds(OnServer):
    def slow(self, i, server=None):
        """A connection with a long question that was not asked before."""
        s = (server or self.server).connect()
        s.sendall(request(target(f"{i} {LONG}", features=16, top=300)))
        return s

    def seconds(self, i):
        begun = time.monotonic()
        with self.slow(i) as s:
            self.assertEqual(Answer(read_to_end(s)).status, 200)
        return time.monotonic() - begun

    def test_who_leaves_is_not_answered(self):
        self.seconds("first")
        one = self.seconds("alone")
        for i in range(14):
            self.slow(f"left {i}").close()
        begun = time.monotonic()
        self.assertEqual(self.server.ask(target("Once")).status, 200)
        took = time.monotonic() - begun
        print(f"a long one {one:.2f} s, behind 14 that left {took:.2f} s")
        self.assertLess(took, 5 * one + .3)

    def test_time_is_bounded(self):
        with Server("tiny.db", *self.options, "--prompt-seconds",
                    "0.001") as server:
            with self.slow("late", server) as s:
                answer = Answer(read_to_end(s))
            self.assertEqual(answer.status, 503)
            self.assertIn("it took too long (a prompt may take 0.001 seconds)",
                          answer.json()["error"])
            self.assertEqual(server.ask("/api/about").status, 200)

    def test_a_crowd(self):
        """Of a hundred at once few wait, the others hear why, each that is
        answered gets its own answer, and browsing goes on."""
        crowd = [self.slow(f"crowd {i}") for i in range(100)]
        begun = time.monotonic()
        self.assertEqual(self.server.ask("/api/about").status, 200)
        waited = time.monotonic() - begun
        answers = [Answer(read_to_end(s)) for s in crowd]
        for s in crowd:
            s.close()
        statuses = [a.status for a in answers]
        print(f"of 100 {statuses.count(200)} answered, "
              f"{statuses.count(503)} refused; browsing took {waited:.2f} s")
        self.assertEqual(set(statuses), {200, 503})
        self.assertLess(waited, 2)
        for i, answer in enumerate(answers):
            if answer.status == 503:
                self.assertIn("16 questions about prompts wait already",
                              answer.json()["error"])
            else:
                text = "".join(t["text"] for t in answer.json()["tokens"][1:])
                self.assertEqual(text, f"crowd {i} {LONG}")
        self.assertEqual(self.server.ask(target()).status, 200)

    def test_a_stop_waits_for_no_prompt(self):
        server = Server("tiny.db", *self.options)
        crowd = [self.slow(f"stop {i}", server) for i in range(8)]
        time.sleep(.1)
        begun = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - begun, 3)
        for s in crowd:
            s.close()


if __name__ == "__main__":
    unittest.main()
