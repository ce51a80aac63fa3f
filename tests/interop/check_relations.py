"""Works out again, with numpy, what a database says of features together.

    python3 tests/interop/check_relations.py DUMP DATABASE SAE...

DATABASE is what `headscope encode DUMP SAE...` wrote, check_database.py has
found no difference in it, and DUMP has W_U. Of each SAE, in float64: the
nearest features by the cosine of decoder rows; logits; pairs that are active
together, from activation_by_token; and the groups of each head's features, from
feature_head, head_code_count and the activations at all tokens. Rules:
store/schema.sql and the headers in encode/.

Cosines and logits must agree within 1e-5 (of the largest logit), pairs to the
last one of the same score, groups exactly. Ends with status 1 if anything
differs. Needs numpy; a minute for each SAE of the demo.
"""
import pathlib
import sqlite3
import sys

import numpy as np

sys.path.append(str(pathlib.Path(__file__).parent))
from headscope_files import Sae, layer_parts, open_tensors  # noqa: E402

NEIGHBOURS, LOGITS, PAIRS, PAIR_TOKENS = 8, 20, 16, 65536
FEATURES, STRINGS, FIRES, SHARE = 64, 128, 10, 0.25
COSINE_BOUND, SHARED_BOUND = 0.5, 0.25


class Asked:
    def __init__(self, path, name):
        self.db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        self.sae, self.layer, self.heads, self.dump, self.first = \
            self.db.execute(
                "SELECT s.id, s.layer, s.heads, d.id, d.first_token FROM sae "
                "AS s JOIN dump AS d ON d.id = s.dump WHERE s.name = ?",
                (name,)).fetchone()
        self.fires = self.rows("SELECT fires FROM feature WHERE sae = ? "
                               "ORDER BY feature", self.sae)[:, 0]
        self.alive = np.flatnonzero(self.fires > 0)

    def rows(self, sql, *values):
        cursor = self.db.execute(sql, values)
        rows = cursor.fetchall()
        return np.array(rows, float).reshape(-1, len(cursor.description))


def same_best(what, stored, scores, keep, off):
    """stored (n, 3): feature, other, score by feature and rank; scores (m, ·)
    with -inf where nothing may be."""
    best = -np.sort(-scores, axis=1)[:, :keep]
    rank = np.concatenate([np.arange(n) for n in np.bincount(
        stored[:, 0].astype(int), minlength=len(scores))]).astype(int)
    f, other = stored[:, 0].astype(int), stored[:, 1].astype(int)
    wrong = (np.abs(stored[:, 2] - best[f, rank]) > off) | (
        np.abs(stored[:, 2] - scores[f, other]) > off)
    missing = np.isfinite(best).sum() - len(stored)
    print(f"  {what}: {len(stored)}, {wrong.sum()} differ, {missing} missing")
    return not wrong.any() and missing == 0


def check_neighbours(asked, sae):
    rows = sae.w_dec / np.linalg.norm(sae.w_dec, axis=1, keepdims=True)
    cosine = np.full([len(rows)] * 2, -np.inf)
    alive = np.ix_(asked.alive, asked.alive)
    cosine[alive] = (rows @ rows.T)[alive]
    np.fill_diagonal(cosine, -np.inf)
    stored = asked.rows("SELECT feature, neighbour, cosine FROM "
                        "feature_neighbour WHERE sae = ? "
                        "ORDER BY feature, rank", asked.sae)
    return same_best("neighbours", stored, cosine, NEIGHBOURS, 1e-5)


def check_logits(asked, sae, dump):
    t = {name: tensor.astype(np.float64) for name, tensor in open_tensors(
        pathlib.Path(dump) / "weights.safetensors").items()}
    w_o = t[f"W_O.{asked.layer}"]
    stream = sae.w_dec @ w_o.reshape(-1, w_o.shape[-1])
    stream -= stream.mean(axis=1, keepdims=True)
    n_strings, = asked.db.execute("SELECT count(*) FROM vocab").fetchone()
    w_u = t["W_U"][:, :n_strings]
    logits = (stream * t["ln_f.weight"]) @ w_u
    logits -= logits.mean(axis=1, keepdims=True)
    off = 1e-5 * np.abs(logits).max()
    logits[asked.fires == 0] = np.nan
    good = True
    for sign, what in ((1, "promoted"), (-1, "suppressed")):
        stored = asked.rows(
            "SELECT feature, vocab, logit * ?2 FROM feature_logit WHERE "
            "sae = ?1 AND rank * ?2 > 0 ORDER BY feature, rank * ?2",
            asked.sae, sign)
        scores = np.nan_to_num(sign * logits, nan=-np.inf)
        good &= same_best(what, stored, scores, LOGITS, off)
    return good


def check_pairs(asked):
    token = asked.rows(
        "SELECT t.id FROM context AS c JOIN token AS t ON t.id BETWEEN "
        "c.first_token AND c.first_token + c.tokens - 1 WHERE c.dump = ? AND "
        "c.sampled ORDER BY t.id", asked.dump)[:, 0].astype(int)
    token = token[::-(-len(token) // PAIR_TOKENS)]
    taken, = asked.db.execute("SELECT pair_tokens FROM sae WHERE id = ?",
                              (asked.sae,)).fetchone()
    if taken != len(token):
        print(f"  pairs rest on {taken} tokens, not {len(token)}")
        return False
    active = asked.rows("SELECT token, feature FROM activation_by_token "
                        "WHERE sae = ?", asked.sae).astype(int)
    at = np.searchsorted(token, active[:, 0])
    at[at == len(token)] = 0
    active, at = (x[token[at] == active[:, 0]] for x in (active, at))
    dense = np.zeros((len(token), len(asked.fires)), np.float32)
    dense[at, active[:, 1]] = 1
    count = (dense.T @ dense).astype(float)
    expected = np.outer(count.diagonal(), count.diagonal()) / len(token)
    with np.errstate(invalid="ignore", divide="ignore"):
        score = (count - expected) / np.sqrt(expected)
    score[(count < 2) | ~(score > 0)] = -np.inf
    np.fill_diagonal(score, -np.inf)
    stored = asked.rows("SELECT feature, other, count, expected FROM "
                        "feature_pair WHERE sae = ? ORDER BY feature, rank",
                        asked.sae)
    f, other = stored[:, :2].astype(int).T
    exact = (count[f, other] == stored[:, 2]) & (np.abs(
        expected[f, other] / stored[:, 3] - 1) < 1e-9)
    print(f"  pairs: {(~exact).sum()} counts differ")
    with_score = np.column_stack([f, other, (stored[:, 2] - stored[:, 3]) /
                                  np.sqrt(stored[:, 3])])
    return exact.all() & same_best("pairs", with_score, score, PAIRS, 1e-4)


# ---- groups of a head's features ----


def preferences(asked, sae, dump):
    """(m, strings): how a feature's activations divide over the token strings,
    less how all tokens do; only the largest."""
    ids = np.load(pathlib.Path(dump) / "tokens.npy")
    mass = np.zeros((len(asked.fires), ids.max() + 1))
    for first, z in layer_parts(dump, asked.layer):
        value, _ = sae.encode(z.reshape(len(z), -1))
        order = np.argsort(ids[first:first + len(z)], kind="stable")
        strings, begin = np.unique(ids[first:first + len(z)][order],
                                   return_index=True)
        mass[:, strings] += np.add.reduceat(value[order], begin, axis=0).T
    mass /= np.maximum(mass.sum(axis=1, keepdims=True), 1e-300)
    mass -= np.bincount(ids) / len(ids)
    if mass.shape[1] > STRINGS:
        bar = -np.partition(-mass, STRINGS - 1, axis=1)[:, STRINGS - 1:STRINGS]
        mass[mass < bar] = 0
    return np.maximum(mass, 0)


def average_linkage(relation, bound=1):
    groups = [[i] for i in range(len(relation))]
    while True:
        means = [(relation[np.ix_(a, b)].mean(), -i, -k)
                 for k, b in enumerate(groups)
                 for i, a in enumerate(groups[:k])]
        most, i, k = max(means, default=(0, 0, 0))
        if most < bound:
            return groups
        groups[-i] += groups.pop(-k)


def groups_of(asked, sae, prefers, head):
    own = asked.rows(
        "SELECT c.feature, c.count FROM head_code_count AS c JOIN "
        "feature_head AS p USING (sae, feature, head) JOIN feature AS f "
        "USING (sae, feature) WHERE c.sae = ? AND c.head = ? AND "
        "p.data_share >= ? AND f.fires >= ? ORDER BY c.count DESC, c.feature "
        "LIMIT ?", asked.sae, head, SHARE, FIRES, FEATURES).astype(int)
    if not len(own):
        return []
    part = sae.w_dec[own[:, 0]].reshape(len(own), asked.heads, -1)[:, head]
    part = part / np.linalg.norm(part, axis=1, keepdims=True)
    p = prefers[own[:, 0]]
    shared = np.array([np.minimum(row, p).sum(axis=1) for row in p])
    relation = np.maximum(part @ part.T / COSINE_BOUND,
                          shared.reshape(len(own), -1) / SHARED_BOUND)
    groups = average_linkage(np.maximum(relation, 0))
    groups.sort(key=lambda g: (-own[g, 1].sum(), min(g)))
    return [sorted(own[g, 0].tolist()) for g in groups]


def check_groups(asked, sae, dump):
    prefers, different = preferences(asked, sae, dump), 0
    for head in range(asked.heads):
        stored = {}
        for number, feature in asked.db.execute(
                "SELECT number, feature FROM head_group WHERE sae = ? AND "
                "head = ? ORDER BY number, feature", (asked.sae, head)):
            stored.setdefault(number, []).append(feature)
        different += groups_of(asked, sae, prefers, head) != list(
            stored.values())
    print(f"  groups: {asked.heads} heads, {different} differ")
    return different == 0


def check(dump, database, folder):
    sae = Sae(folder)
    asked = Asked(database, sae.name)
    print(sae.name)
    return all([check_neighbours(asked, sae), check_logits(asked, sae, dump),
                check_pairs(asked), check_groups(asked, sae, dump)])


def main():
    dump, database, folders = sys.argv[1], sys.argv[2], sys.argv[3:]
    agree = [check(dump, database, folder) for folder in folders]
    print("all agree" if all(agree) else "DIFFERENCES")
    sys.exit(0 if all(agree) else 1)


if __name__ == "__main__":
    main()
