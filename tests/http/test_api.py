# SPDX-License-Identifier: MIT
"""The API's answers against the database that they are made from."""
import csv
import io
import json
import sqlite3
import unittest
from urllib.parse import quote

from client import Server, planted
from on_database import OnDatabase, ids, plain
from planted import HOSTILE, LONG, WORDS


class Lists(OnDatabase):
    shape = {"layers": 3}

    def test_about(self):
        about = self.api("about")
        self.assertEqual(about["database"]["name"], "api.db")
        self.assertEqual([s["layer"] for s in about["saes"]], [0, 1, 2])
        self.assertEqual((about["features"], about["heads"]), (270, 4))
        self.assertEqual(sum(about["density"]["counts"]), 270 - 3)
        dump = dict(zip(*(lambda c: ([d[0] for d in c.description],
                                     c.fetchone()))(
            self.db.execute("SELECT * FROM dump"))))
        for key, value in about["dumps"][0].items():
            self.assertEqual(value, dump[key], key)

    def test_every_order(self):
        columns = {"density": "density", "max": "max", "share": "top_share",
                   "entropy": "entropy"}
        for sort, column in columns.items():
            for order in "desc", "asc":
                rows = self.pages(f"features?sort={sort}&order={order}", 37)
                want = self.sql(f"SELECT {column} FROM feature ORDER BY max IS "
                                f"NULL, {column} {order}")
                for row, (value,) in zip(rows, want, strict=True):
                    key = row["share" if sort == "share" else sort]
                    self.about_equal(key, value)
                self.assertEqual(len(set(ids(rows))), 270)
        index = ids(self.pages("features?sort=index", 200))
        self.assertEqual(index, self.sql(
            "SELECT sae, feature FROM feature ORDER BY sae, feature"))
        self.assertEqual(index[::-1], ids(self.pages(
            "features?sort=index&order=desc", 50)))

    def test_filters(self):
        def same(target, where, *values):
            self.assertEqual(
                sorted(ids(self.pages("features?" + target, 100))),
                self.sql("SELECT f.sae, f.feature FROM feature AS f WHERE "
                         + where + " ORDER BY 1, 2", *values), target)

        same("sae=2", "sae = 2")
        same("layer=2", "sae = 3")
        same("dead=0", "max IS NOT NULL")
        same("head=3", "top_head = 3")
        same("min_density=0.03&max_density=0.05", "density BETWEEN .03 AND .05")
        share = ("EXISTS (SELECT 1 FROM feature_head AS h WHERE h.sae = f.sae "
                 "AND h.feature = f.feature AND h.head = 1 "
                 "AND h.data_share >= ?)")
        for least in 0, .1, .3, .9, 1:
            same(f"head=1&min_share={least}", share, least)
            same(f"head=1&min_share={least}&sae=1&sort=share",
                 share + " AND sae = 1", least)
        string = ("feature IN (SELECT feature FROM token_feature AS t JOIN "
                  "vocab AS v ON v.id = t.vocab WHERE t.sae = f.sae AND "
                  "text = ?)")
        same("token=%20Lily", string, " Lily")
        same("token=Lily", string, " Lily")
        same("token=Lily&layer=1&head=1", string + " AND sae = 2 AND "
             "top_head = 1", " Lily")
        same("token=Lily&head=1&min_share=0.3", string + " AND " + share,
             " Lily", .3)
        same("vocab=1&dead=0&sort=density", string, " Lily")
        same("token=nothing", "0")
        source = ("EXISTS (SELECT 1 FROM feature_source_token AS s JOIN vocab "
                  "AS v ON v.id = s.vocab WHERE s.sae = f.sae AND "
                  "s.feature = f.feature AND text = ?)")
        same("source=Lily", source, " Lily")
        same("source=%20Ben&layer=1&sort=density", source + " AND sae = 2",
             " Ben")
        shares = [r["from_source"]["share"]
                  for r in self.api("features?source=Ben&limit=200")["rows"]]
        self.assertEqual(shares, sorted(shares, reverse=True))
        self.assertEqual(set(shares), {.5, .125})
        same("head=1000", "0")

    def test_a_row(self):
        row, = self.api("features?token=Lily&sae=2&sort=index&limit=1")["rows"]
        density, most, top = self.sql(
            "SELECT density, max, top_head FROM feature "
            "WHERE sae = 2 AND feature = 1")[0]
        self.assertEqual((row["sae"], row["layer"], row["feature"]), (2, 1, 1))
        self.about_equal(row["density"], density)
        self.about_equal(row["max"], most)
        self.assertEqual(row["top_head"], top)
        shares = [s for s, in self.sql(
            "SELECT data_share FROM feature_head WHERE sae = 2 "
            "AND feature = 1 ORDER BY head")]
        self.assertEqual(row["shares"], [round(s, 3) for s in shares])
        self.assertEqual(row["tokens"], [" Lily"])
        self.about_equal(row["on_token"]["max"], most)
        dead = self.api("features?sae=1&order=desc&offset=89")["rows"][0]
        self.assertEqual((dead["max"], dead["shares"], dead["tokens"]),
                         (None, [None] * 4, []))

    def test_pages_behind_a_row(self):
        for more in ("sort=max", "sort=share&order=asc", "head=1&min_share=0",
                     "head=1&min_share=0.3&sort=share&order=asc", "token=Lily",
                     "source=Ben", "sae=2&sort=entropy", "dead=0&sort=index"):
            whole = self.pages(f"features?{more}", 200)
            rows, page = [], self.api(f"features?{more}&limit=11")
            while True:
                self.assertEqual(page["offset"], len(rows))
                rows += page["rows"]
                if page["next"] is None:
                    break
                self.assertEqual(page["next"], "{sae}:{feature}".format(
                    **rows[-1]))
                page = self.api(
                    f"features?{more}&limit=11&after={page['next']}")
            self.assertEqual(rows, whole, more)
        answer = self.server.ask("/api/features.csv?limit=5&sort=max&offset=7")
        self.assertTrue(answer.headers["link"].startswith(
            "</api/features.csv?limit=5&sort=max&after="))
        for wrong in ("after=", "after=1", "after=1:", "after=1:99",
                      "after=9:1", "after=1:1x", "after=x:1",
                      "after=1:3&offset=2", "after=1:4&token=Lily",
                      "after=1:89&head=1&min_share=0.1&sort=share"):
            self.refused(400, "features?" + wrong)

    def test_offsets_beyond_the_end(self):
        for offset in 270, 9999999, 2**63 - 1:
            for more in "", "&token=Lily", "&head=1&min_share=0":
                page = self.api(f"features?offset={offset}{more}")
                self.assertEqual(page["rows"], [])
                self.assertGreater(page["total"], 0)

    def test_heads(self):
        grid = self.api("heads")
        self.assertEqual([len(row["heads"]) for row in grid["rows"]], [4] * 3)
        for row in grid["rows"]:
            self.assertEqual(
                [cell["features"] for cell in row["heads"]],
                [n for n, in self.sql("SELECT features FROM head WHERE sae = ? "
                                      "ORDER BY head", row["sae"])])
            self.assertAlmostEqual(
                sum(cell["activations"] for cell in row["heads"]), 1, 4)
        names = {m["name"] for m in grid["measures"]}
        self.assertLess(names, set(grid["rows"][0]["heads"][0]))

    def test_head(self):
        head = self.api("head?layer=1&head=2&window=3")
        self.assertEqual((head["sae"], head["name"]), (2, "L1H2"))
        same = self.api("features?sae=2&head=2&min_share=0&dead=0&sort=share")
        self.assertEqual((head["rows"], head["total"]),
                         (same["rows"], same["total"]))
        best = self.sql("SELECT feature, contribution FROM head_example WHERE "
                        "sae = 2 AND head = 2 AND rank = 1 "
                        "ORDER BY contribution DESC")
        self.assertEqual([x["feature"] for x in head["examples"]],
                         [f for f, _ in best[:20]])
        self.about_equal(head["strings"][0]["contribution"], best[0][1])
        self.assertEqual(head["strings"][0]["feature"], best[0][0])
        self.assertEqual(len({s["vocab"] for s in head["strings"]}),
                         len(head["strings"]))

    def test_head_has_codes_groups_and_sources(self):
        head = self.api("head?sae=2&head=1")
        want = self.sql("SELECT feature, count FROM head_code_count WHERE "
                        "sae = 2 AND head = 1 ORDER BY count DESC, feature")
        self.assertEqual(head["codes"]["counts"], [n for _, n in want])
        self.assertEqual([(f["feature"], f["count"])
                          for f in head["codes"]["features"]], want[:24])
        self.assertEqual((head["codes"]["different"], head["codes"]["tokens"]),
                         (len(want), sum(n for _, n in want)))
        groups = [(g["number"], f["feature"]) for g in head["groups"]
                  for f in g["features"]]
        self.assertEqual(sorted(groups),
                         self.sql("SELECT number, feature FROM head_group "
                                  "WHERE sae = 2 AND head = 1 ORDER BY 1, 2"))
        for group in head["groups"]:
            self.assertEqual(group["codes"],
                             sum(f["count"] for f in group["features"]))
        total, = self.sql(
            "SELECT sum(s.contribution) FROM head_example AS e JOIN "
            "example_source AS s USING (sae, feature, token, head) "
            "WHERE sae = 2 AND head = 1 AND e.rank = 1")[0]
        strings = self.sql(
            "SELECT t.vocab, sum(s.contribution), count(*) FROM head_example "
            "AS e JOIN example_source AS s USING (sae, feature, token, head) "
            "JOIN token AS t ON t.id = s.source WHERE sae = 2 AND head = 1 "
            "AND e.rank = 1 GROUP BY 1 ORDER BY 2 DESC")
        for found, (vocab, share, count) in zip(head["sources"]["strings"],
                                                strings):
            self.assertEqual((found["vocab"], found["count"]), (vocab, count))
            self.about_equal(found["share"], share / total)
        self.assertAlmostEqual(sum(d["share"] for d in
                                   head["sources"]["distances"]), 1, 4)

    def test_measures_of_the_database(self):
        row = self.api("heads")["rows"][1]
        for cell, want in zip(row["heads"], self.sql(
                "SELECT h.fvu, h.held_out_fvu, h.code_entropy, "
                "p.effective_groups FROM head AS h JOIN polysemantic_heads "
                "AS p USING (sae, head) WHERE sae = 2 ORDER BY head")):
            for name, value in zip(("fvu", "held_out_fvu", "code_entropy",
                                    "effective_groups"), want):
                self.about_equal(cell[name], value)

    def test_training(self):
        training = self.api("training")
        self.assertEqual([s["sae"] for s in training["saes"]], [1, 2, 3])
        for sae in training["saes"]:
            found = [(curve["name"], step, value) for curve in sae["curves"]
                     for step, value in zip(curve["steps"], curve["values"],
                                            strict=True)]
            want = self.sql("SELECT name, step, value FROM metric WHERE "
                            "sae = ? ORDER BY name, step", sae["sae"])
            self.assertEqual([row[:2] for row in found],
                             [row[:2] for row in want])
            for (*_, a), (*_, b) in zip(found, want):
                self.about_equal(a, b)
            self.assertEqual((sae["config"], sae["options"]), (None, {}))
        self.assertEqual(self.api("training?layer=1")["saes"],
                         training["saes"][1:2])

    def test_long_curves_are_thinned(self):
        db = planted("curve.db", layers=1, features=2)
        with sqlite3.connect(db) as sql:
            sql.execute("WITH n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM "
                        "n WHERE i < 9999) INSERT INTO metric SELECT 1, 'long',"
                        " i, i FROM n")
        with Server(db) as server:
            curve = next(c for c in server.api("training")["saes"][0]["curves"]
                         if c["name"] == "long")
        self.assertTrue(1000 <= len(curve["steps"]) < 2000)
        self.assertEqual(curve["steps"][-1], 9999)
        self.assertEqual(curve["steps"], curve["values"])
        self.assertEqual(curve["steps"], sorted(curve["steps"]))

    def test_tables(self):
        """As CSV, with all columns of the JSON and its rows."""
        def table(target):
            answer = self.server.ask("/api/" + target)
            self.assertEqual(answer.status, 200, target)
            self.assertEqual(answer.headers["content-type"],
                             "text/csv; charset=utf-8")
            return list(csv.DictReader(io.StringIO(answer.body.decode(),
                                                   newline="")))

        same = self.api("features.json?sae=2&sort=index&limit=90")
        self.assertEqual(same, self.api("features?sae=2&sort=index&limit=90"))
        for row, want in zip(table("features.csv?sae=2&sort=index"),
                             same["rows"], strict=True):
            self.assertEqual(list(row), list(same["rows"][0]))
            self.assertEqual(int(row["feature"]), want["feature"])
            self.assertEqual(row["max"] == "", want["max"] is None)
            self.assertEqual(json.loads(row["tokens"]), want["tokens"])
        heads = table("heads.csv")
        self.assertEqual(len(heads), 12)
        self.assertEqual((heads[5]["layer"], heads[5]["head"]), ("1", "1"))
        self.assertEqual(len(table("feature.csv?sae=1&feature=3&kind=width")),
                         len(self.api("feature?sae=1&feature=3&kind=width")
                             ["examples"]))
        self.assertEqual(len(table("features.csv?limit=7&offset=265")), 5)
        self.assertEqual(len(table("search.csv?q=%20")), 7)
        self.assertEqual(table("features.csv?token=nothing"), [])
        for target in "features.xml", "features.csv.csv", "features.":
            self.refused(404, target)
        self.refused(400, "search.csv?q=a&limit=51")

    def test_search(self):
        def found(text, **more):
            target = "&".join([f"search?q={quote(text)}"]
                              + [f"{k}={v}" for k, v in more.items()])
            return self.api(target)

        for text in ("L2H3", "l2h3", "2.3", "H2.3", "L2.3", "attn_L2_3",
                     " L2H3 "):
            first = found(text)["results"][0]
            self.assertEqual((first["kind"], first["sae"], first["head"]),
                             ("head", 3, 3), text)
        for text in "2:17", "L2:17", "2/17", "L2F17", "l2f17":
            first = found(text)["results"][0]
            self.assertEqual((first["kind"], first["sae"], first["feature"]),
                             ("feature", 3, 17), text)
        for text in ("L9H3", "L2H4", "2:90", "2:999999999", "7:1"):
            self.assertEqual(found(text)["results"], [])
            self.assertIn("note", found(text))
        for text, position in (("c3", None), ("C3 ", None), ("c3.5", 5),
                               ("c3 · 11", 11)):
            self.assertEqual(found(text)["results"][0],
                             {"kind": "context", "context": 3,
                              "position": position})
        for text in "c99", "c3.12":
            self.assertIn("note", found(text))
        for text in ("2:9999999999", "2:-1", "L2", "2.3.4", "L2H3x", "", "2."):
            self.assertEqual(found(text).get("note"), None, text)
            self.assertEqual(found(text)["results"], [], text)
        for text in "Lily", " Lily", "Li", " Li":
            self.assertEqual(found(text)["results"][0]["text"], " Lily")
        self.assertEqual(len(found(" ", limit=3)["results"]), 3)
        self.assertEqual(found("_")["results"], [])


class Pages(OnDatabase):
    def window(self, example, width):
        """What a window must be, from the tables."""
        first, tokens = self.sql("SELECT first_token, tokens FROM context "
                                 "WHERE id = ?", example["context"])[0]
        low = max(first, example["token"] - width)
        high = min(first + tokens - 1, example["token"] + width)
        return low, self.sql(
            "SELECT v.text, (SELECT level FROM (SELECT * FROM activation "
            "UNION ALL SELECT * FROM example_activation) AS a WHERE "
            "a.sae = 1 AND a.feature = ? AND a.token = t.id) FROM token AS t "
            "JOIN vocab AS v ON v.id = t.vocab WHERE t.id BETWEEN ? AND ? "
            "ORDER BY t.id", example["feature"], low, high)

    def test_windows(self):
        for feature in 0, 1, 5, 20:  # 0 fires at the start of contexts
            for width in 0, 3, 16, 32:
                page = self.api(f"feature?sae=1&feature={feature}"
                                f"&window={width}")
                want = self.sql("SELECT token, value FROM example WHERE sae = 1 "
                                "AND feature = ? AND kind = 'top' "
                                "ORDER BY rank", feature)
                self.assertEqual([x["token"] for x in page["examples"]],
                                 [t for t, _ in want])
                for example, (token, value) in zip(page["examples"], want):
                    self.about_equal(example["value"], value)
                    example["feature"] = feature
                    low, rows = self.window(example, width)
                    self.assertEqual(example["peak"], token - low)
                    self.assertEqual(
                        [plain(t) for t in example["tokens"]],
                        [text[:256] for text, _ in rows])
                    self.assertEqual(example["levels"],
                                     [level or 0 for _, level in rows])
                    self.assertGreater(example["levels"][example["peak"]], 0)

    def test_figures(self):
        page = self.api("feature?layer=1&feature=7")
        row = self.sql("SELECT fires, density, max, mean, scale, strings, "
                       "top_head, top_share FROM feature WHERE sae = 2 AND "
                       "feature = 7")[0]
        names = ("fires", "density", "max", "mean", "scale", "n_strings",
                 "top_head", "top_share")
        for name, value in zip(names, row):
            self.about_equal(page[name], value)
        self.assertEqual(sum(page["histogram"]["counts"]), page["fires"])
        self.assertEqual(len(page["histogram"]["counts"]), 51)
        self.assertEqual([h["name"] for h in page["heads"]],
                         ["L1H0", "L1H1", "L1H2", "L1H3"])
        for head, (weight, data) in zip(page["heads"], self.sql(
                "SELECT weight_share, data_share FROM feature_head "
                "WHERE sae = 2 AND feature = 7 ORDER BY head")):
            self.about_equal(head["weight_share"], weight)
            self.about_equal(head["data_share"], data)
            self.assertEqual([t["text"] for t in head["tokens"]], [WORDS[7]])
        string, = page["strings"]
        self.assertEqual((string["text"], string["share"]), (WORDS[7], 1))

    def test_sets_of_examples(self):
        sets = self.api("feature?sae=1&feature=3")["sets"]
        self.assertEqual([(s["kind"], s["interval"], s["tokens"],
                           s["examples"]) for s in sets],
                         self.sql("SELECT kind, interval, tokens, examples "
                                  "FROM example_set WHERE sae = 1 AND "
                                  "feature = 3 ORDER BY kind, interval"))
        for kind in "width", "count", "random", "silent":
            page = self.api(f"feature?sae=1&feature=3&kind={kind}&window=2")
            want = self.sql("SELECT interval, token, value FROM example WHERE "
                            "sae = 1 AND feature = 3 AND kind = ? "
                            "ORDER BY interval DESC, rank", kind)
            self.assertEqual([(x["interval"], x["token"])
                              for x in page["examples"]],
                             [row[:2] for row in want])
            for example, row in zip(page["examples"], want):
                self.about_equal(example["value"], row[2])

    def test_full_windows_say_what_is_not_known(self):
        """A context outside the sample has levels only near its example."""
        for example in self.api("feature?sae=1&feature=3&window=full"
                                "&head=3")["examples"]:
            self.assertEqual(len(example["tokens"]), 12)
            sampled, = self.sql("SELECT sampled FROM context WHERE id = ?",
                                example["context"])[0]
            self.assertEqual(None in example["levels"], not sampled)
        for example in self.api("feature?sae=1&feature=3&window=full"
                                )["examples"]:
            self.assertNotIn(None, example["levels"])

    def test_any_string(self):
        """Parts of tokens, texts of several, and several ids at once."""
        fed, the, ducks = (WORDS.index(w) for w in (" fed", " the", " ducks"))
        found = self.api("search?q=fed%20the%20ducks")["results"]
        self.assertEqual([r["kind"] for r in found], ["tokens"])
        self.assertEqual([s["vocab"] for s in found[0]["strings"]],
                         [fed, the, ducks])
        self.assertEqual(self.api("search?q=IL")["results"], [])
        found = self.api("search?q=IL&within=1")["results"]
        self.assertEqual([(r["text"], r["match"]) for r in found],
                         [(" Lily", "within")])
        page = self.api(f"token?vocab={fed},{the}&limit=200")
        want = self.sql("SELECT sae, feature FROM token_feature WHERE vocab IN "
                        "(?, ?)", fed, the)
        self.assertEqual(sorted((r["sae"], r["feature"]) for r in page["rows"]),
                         sorted(want))
        led = self.api(f"token?vocab={fed},{the}&limit=200&head=2")
        self.assertEqual(led["rows"], [r for r in page["rows"]
                                       if r["top_head"] == 2])
        self.assertTrue(0 < led["total"] < page["total"])
        self.assertEqual([p["token"] for p in page["places"]], [
            token for token, in self.sql(
                "SELECT t.id FROM token AS t JOIN context AS c ON c.id = "
                "t.context WHERE vocab = ? AND sampled = 1 ORDER BY t.id "
                "LIMIT 8", fed)])
        for place in page["places"]:
            self.assertEqual(place["tokens"][place["peak"]], " fed")
        for wrong in f"{fed},", f",{fed}", f"{fed};{the}", ",".join("1" * 17):
            self.refused(400, f"token?vocab={wrong}")
        self.refused(404, f"token?vocab={fed},9999")

    def test_activation(self):
        """What is kept of the heads at a token, in the sample and outside."""
        for sampled in 1, 0:
            token, level = self.sql(
                "SELECT e.token, e.level FROM head_example AS e JOIN token AS t"
                " ON t.id = e.token JOIN context AS c ON c.id = t.context WHERE"
                " e.sae = 1 AND e.feature = 3 AND e.head = 3 AND c.sampled = ?"
                " ORDER BY e.rank LIMIT 1", sampled)[0]
            page = self.api(f"activation?sae=1&feature=3&token={token}")
            self.assertEqual((page["level"], page["sampled"]),
                             (level, bool(sampled)))
            heads = page["heads"]
            self.assertEqual([h["name"] for h in heads],
                             ["L0H0", "L0H1", "L0H2", "L0H3"])
            for column, table in (("contribution", "max(contribution) FROM "
                                   "head_example"), ("from_sources",
                                   "sum(contribution) FROM example_source")):
                want = [self.sql(f"SELECT {table} WHERE sae = 1 AND feature = 3"
                                 " AND token = ? AND head = ?", token, h)[0][0]
                        for h in range(4)]
                for h, value in enumerate(want):
                    self.assertEqual(heads[h][column] is None, value is None)
                    if value is not None:
                        self.about_equal(heads[h][column], value)
                self.assertTrue(any(want), column)
            self.assertEqual([h["code"] for h in heads],
                             [False, False, False, True] if sampled
                             else [None] * 4)
            self.assertEqual([h["data_share"] for h in heads], [
                h["data_share"] for h in self.api("feature?sae=1&feature=3")
                ["heads"]])
        silent = self.sql("SELECT token FROM example WHERE sae = 1 AND feature"
                          " = 3 AND kind = 'silent'")[0][0]
        page = self.api(f"activation?sae=1&feature=3&token={silent}")
        self.assertEqual({h["contribution"] for h in page["heads"]}, {None})
        self.assertEqual(page["level"], 0 if page["sampled"] else None)
        self.refused(404, "activation?sae=1&feature=90&token=1")
        self.refused(404, "activation?sae=1&feature=3&token=99999")
        self.refused(400, "activation?sae=1&feature=3")

    def test_context(self):
        page = self.api("context?context=4&position=3&one=1:7&two=2:3")
        first, = self.sql("SELECT first_token FROM context WHERE id = 4")[0]
        self.assertEqual((page["token"], page["n_tokens"], page["sampled"],
                          page["previous"], page["next"], page["group"]),
                         (first + 3, 12, True, 2, 6, "stories"))
        self.assertEqual(
            [plain(t) for t in page["tokens"]],
            [text[:256] for text, in self.sql(
                "SELECT text FROM token AS t JOIN vocab AS v ON v.id = t.vocab "
                "WHERE context = 4 ORDER BY t.id")])
        for overlay, (sae, feature) in zip(page["overlays"], ((1, 7), (2, 3))):
            levels = dict(self.sql(
                "SELECT token - ?, level FROM activation WHERE sae = ? AND "
                "feature = ?", first, sae, feature))
            self.assertEqual(overlay["levels"],
                             [levels.get(i, 0) for i in range(12)])
        want = self.sql("SELECT sae, feature, level, heads FROM "
                        "activation_by_token WHERE token = ? ORDER BY sae, "
                        "level DESC, feature", first + 3)
        self.assertEqual([(r["sae"], r["feature"], r["level"],
                           sum(1 << h for h in r["heads"]))
                          for r in page["rows"]], want)
        self.assertTrue(want)
        same = self.api(f"context?token={first + 3}&one=1:7&two=2:3")
        self.assertEqual(same, page)
        self.assertEqual(self.api("context")["context"], 0)
        outside = self.api("context?context=5&one=1:7")
        self.assertEqual((outside["sampled"], outside["rows"],
                          set(outside["overlays"][0]["levels"]) - {None}),
                         (False, [], {255} & set(
                             outside["overlays"][0]["levels"])))

    def test_formulas_in_tables_are_text(self):
        """A program that opens tables would run what begins with '='."""
        db = planted("formula.db", layers=1, features=3)
        with sqlite3.connect(db) as sql:
            sql.execute("UPDATE sae SET name = '=1+1'")
        with Server(db) as server:
            body = server.ask("/api/about.csv").body.decode()
        row, = csv.DictReader(io.StringIO(body))
        self.assertEqual(row["name"], " =1+1")

    def test_relations(self):
        page = self.api("feature?layer=1&feature=7")
        others = "SELECT {} FROM {} WHERE sae = 2 AND feature = 7 ORDER BY rank"
        self.assertEqual([(x["feature"], x["cosine"])
                          for x in page["neighbours"]],
                         self.sql(others.format("neighbour, cosine",
                                                "feature_neighbour")))
        self.assertEqual([(x["feature"], x["count"], x["expected"])
                          for x in page["pairs"]["features"]],
                         self.sql(others.format("other, count, expected",
                                                "feature_pair")))
        self.assertEqual(page["pairs"]["tokens"], 144)
        for other in page["neighbours"] + page["pairs"]["features"]:
            density, top, = self.sql("SELECT density, top_head FROM feature "
                                     "WHERE sae = 2 AND feature = ?",
                                     other["feature"])[0]
            self.about_equal(other["density"], density)
            self.assertEqual(other["top_head"], top)
            self.assertTrue(other["tokens"])
        self.assertEqual([tuple(x.values()) for x in page["positions"]],
                         self.sql("SELECT first, last, tokens, fires FROM "
                                  "positions_of_feature WHERE sae = 2 AND "
                                  "feature = 7"))
        self.assertEqual(sum(x["fires"] for x in page["groups"]),
                         page["fires"])
        self.assertEqual([x["name"] for x in page["groups"]],
                         ["stories", "=news"])

    def test_examples_through_a_head(self):
        page = self.api("feature?sae=1&feature=7&head=2")
        want = self.sql("SELECT token, contribution FROM head_example WHERE "
                        "sae = 1 AND feature = 7 AND head = 2 ORDER BY rank")
        self.assertEqual([x["token"] for x in page["examples"]],
                         [t for t, _ in want])
        for example, (_, contribution) in zip(page["examples"], want):
            self.about_equal(example["contribution"], contribution)

    def test_sources_of_examples(self):
        """Of the example's own context, the strongest first; of one head
        alone where examples are a head's."""
        for feature, head, width in (3, None, 16), (3, 3, 16), (5, 2, 3):
            through = "" if head is None else f"&head={head}"
            page = self.api(f"feature?sae=1&feature={feature}&window={width}"
                            + through)
            self.assertTrue(page["examples"])
            for example in page["examples"]:
                token, found = example["token"], example["sources"]
                want = self.sql(
                    "SELECT head, source, contribution FROM example_source "
                    "WHERE sae = 1 AND feature = ?1 AND token = ?2 AND "
                    "(?3 IS NULL OR head = ?3) ORDER BY contribution DESC, "
                    "head", feature, token, head)
                self.assertEqual([(s["head"], s["token"]) for s in found],
                                 [row[:2] for row in want])
                for source, row in zip(found, want):
                    self.about_equal(source["contribution"], row[2])
                    self.assertEqual(token - source["token"],
                                     example["position"] - source["position"])
                if not want:
                    self.assertNotIn("source_window", example)
                    continue
                sums = {}
                for _, source, contribution in want:
                    sums[source] = sums.get(source, 0) + contribution
                top = max(sums, key=sums.get)
                at = example["source_window"]
                self.assertEqual(at["token"], top)
                self.assertEqual(at["position"],
                                 example["position"] - (token - top))
                low, rows = self.window(
                    dict(example, token=top, feature=feature),
                    min(8, width))
                self.assertEqual(at["peak"], top - low)
                self.assertEqual([plain(t) for t in at["tokens"]],
                                 [text[:256] for text, _ in rows])
                self.assertEqual([level or 0 for level in at["levels"]],
                                 [level or 0 for _, level in rows])

    def test_sources_and_logits_of_a_feature(self):
        page = self.api("feature?layer=1&feature=7")
        sources = page["sources"]
        self.assertEqual(sources["tokens"], 144)
        self.assertEqual(
            [tuple(d.values()) for d in sources["distances"]],
            self.sql("SELECT first, last, share, count FROM "
                     "source_offsets_of_feature WHERE sae = 2 AND feature = 7"))
        self.assertEqual(
            [(s["text"], s["share"], s["count"]) for s in sources["strings"]],
            [(WORDS[8], .5, 3), (WORDS[9], .125, 1)])
        for name, sign in ("promoted", 1), ("suppressed", -1):
            self.assertEqual(
                [(t["text"], t["logit"]) for t in page["logits"][name]],
                [(text[:256], logit) for text, logit in self.sql(
                    "SELECT text, logit FROM logits_of_feature WHERE sae = 2 "
                    "AND feature = 7 AND rank * ? > 0 ORDER BY rank", sign)])
        self.assertEqual(len(page["logits"]["promoted"]), 20)

    def test_hostile_strings(self):
        for name, text in HOSTILE.items():
            page = self.api(f"token?vocab={WORDS.index(text)}")
            string, = page["strings"]
            self.assertEqual(string["text"], text)
            self.assertEqual(string.get("escaped", False),
                             name in ("nul", "bytes"))
            self.assertGreater(page["total"], 0)
            if len(text) < 256:
                again = self.api("token?text=" + quote(text, safe=""))
                self.assertEqual(again, page)
            feature = page["rows"][0]
            token = self.api(f"feature?sae={feature['sae']}&feature="
                             f"{feature['feature']}")["examples"][0]
            self.assertEqual(plain(token["tokens"][token["peak"]]), text[:256])
        cut = self.api("feature?sae=1&feature=%d" % WORDS.index(LONG))
        self.assertEqual(cut["strings"][0]["cut"], len(LONG))

    def test_dead_feature(self):
        page = self.api("feature?sae=1&feature=89")
        self.assertEqual([page[k] for k in ("max", "mean", "scale", "top_head",
                                            "examples", "strings")],
                         [None, None, None, None, [], []])
        self.assertEqual(sum(page["histogram"]["counts"]), 0)
        self.assertEqual([h["tokens"] for h in page["heads"]], [[]] * 4)

    def test_token(self):
        page = self.api("token?text=%20Lily&sort=count")
        self.assertEqual(page["strings"][0]["vocab"], 1)
        self.assertEqual(
            sorted(ids(page["rows"])),
            self.sql("SELECT sae, feature FROM token_feature WHERE vocab = 1 "
                     "ORDER BY sae, feature"))
        self.assertEqual(sum(h["features"] for h in page["heads"]),
                         page["total"])
        self.assertLessEqual(max(r["share"] for r in page["rows"]), 1)

    def test_wrong_parameters(self):
        for target in (
                "about?x=1", "features?sae=x", "features?sae=", "features?sae",
                "features?sae=1.5", "features?sae=+1", "features?sae=0x1",
                "features?sae=%201", "features?sae=1&sae=1",
                "features?sae=1&layer=1", "features?sae=9" + "9" * 30,
                "features?limit=0", "features?limit=201", "features?offset=-1",
                "features?sort=size", "features?sort=", "features?order=up",
                "features?sort=token", "features?min_share=0.5",
                "features?head=-1", "features?head=1&min_share=2",
                "features?head=1&min_share=nan", "features?dead=2",
                "features?min_density=1e999", "features?min_density=",
                "features?min_density=-0.1", "features?token=a&vocab=1",
                "features?Sort=max", "features?source=a&token=b", "feature",
                "feature?sae=1",
                "feature?feature=1", "feature?sae=1&feature=-1",
                "feature?sae=1&feature=1&window=33",
                "feature?sae=1&feature=1&kind=all",
                "context?token=1&context=1", "context?one=1",
                "context?one=1:2:", "context?two=a:b", "context?position=-1",
                "feature?sae=1&feature=1&kind=top&head=1",
                "feature?sae=1&feature=1&window=Full", "head?sae=1",
                "head?sae=1&head=1&offset=1", "token", "token?text=a&vocab=1",
                "search", "search?q=a&limit=51", "search?q=%00",
                "search?q=%C0%AF", "search?q=%ED%A0%80", "search?q=%FF",
                "search?q=%F5%80%80%80", "search?q=%E2%82", "search?q=%",
                "search?q=%1", "search?q=%zz", "search?q=a&%00=1",
                "search?%71=a&q=a", "about?" + "&".join("a%d=" % i
                                                        for i in range(99))):
            self.refused(400, target)

    def test_unknown(self):
        for target in ("features?sae=99", "features?sae=-1",
                       "features?sae=%d" % (2**63 - 1), "features?layer=5",
                       "feature?sae=99&feature=1", "feature?sae=1&feature=90",
                       "feature?sae=1&feature=2147483647",
                       "feature?sae=1&feature=1&head=4", "head?sae=1&head=4",
                       "context?context=24", "context?token=0",
                       "context?context=1&position=12", "context?one=1:90",
                       "token?vocab=999", "token?vocab=%d" % -2**63,
                       "token?text=none", "token?text=", "nothing", "about/"):
            self.refused(404, target)

    def test_encodings_that_mean_the_same(self):
        want = self.api("token?text=%20Lily")
        for text in "+Lily", "%20%4c%69ly", " Lily".replace(" ", "%20"):
            self.assertEqual(self.api("token?text=" + text), want)
        self.assertEqual(self.api("token?vocab=1&&"), want)


if __name__ == "__main__":
    unittest.main()
