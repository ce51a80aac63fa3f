# SPDX-License-Identifier: MIT
"""Tests of the API on a database whose content is known."""
import math
import sqlite3
import unittest

from client import Server, planted


class OnDatabase(unittest.TestCase):
    """One server for the tests of a class; `sql` asks behind its back."""
    name, shape = "api.db", {}

    @classmethod
    def setUpClass(cls):
        cls.server = Server(planted(cls.name, **cls.shape))
        cls.api = staticmethod(cls.server.api)
        cls.db = sqlite3.connect(cls.name)

    @classmethod
    def tearDownClass(cls):
        cls.db.close()
        assert cls.server.stop() == 0

    def sql(self, query, *values):
        return self.db.execute(query, values).fetchall()

    def refused(self, status, target):
        answer = self.server.ask("/api/" + target)
        self.assertEqual(answer.status, status, (target, answer.body))
        self.assertEqual(list(answer.json()), ["error"])

    def pages(self, target, limit):
        """All rows, page by page."""
        rows, mark = [], "&" if "?" in target else "?"
        while True:
            page = self.api(f"{target}{mark}limit={limit}&offset={len(rows)}")
            rows += page["rows"]
            if not page["rows"]:
                self.assertEqual(len(rows), page["total"])
                return rows

    def about_equal(self, a, b):
        self.assertTrue(a == b or math.isclose(a, b, rel_tol=1e-5), (a, b))


def ids(rows):
    return [(row["sae"], row["feature"]) for row in rows]


def plain(token):
    return token if isinstance(token, str) else token["text"]
