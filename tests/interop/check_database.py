"""Works a database out again from the dump and the SAEs, and compares.

    python3 tests/interop/check_database.py DUMP DATABASE SAE...

DATABASE is what `headscope encode DUMP SAE...` wrote. For 200 random features
of each SAE that are not dead, and some dead ones, everything the database says
of them is computed from DUMP/*.safetensors and the SAE's safetensors, in
float64 and without headscope: activations and levels, density, maximum, mean,
histogram, strings and their entropy, positions, document groups, head shares,
top tokens of the feature and of each of its heads, the sizes of all example
sets and what is in them, strings of the feature; head codes of 100 random
contexts of the sample, and from all of them their counts and entropy.

Numbers that headscope has from float32 must agree within 2e-5, of themselves
where they are above 1. A token whose activation is that near to the border
between on and off may be on either side, one that near to the end of a level
in either level, and of two that are that near either may come first; how many
were is printed. Shares must agree within 1e-4. Ends with status 1 and the
first differences if there are any. Needs numpy; 12 s for each SAE of the demo.
"""
import pathlib
import sqlite3
import sys

import numpy as np

sys.path.append(str(pathlib.Path(__file__).parent))
from headscope_files import Sae, layer_parts  # noqa: E402

FEATURES, DEAD, CONTEXTS = 200, 20, 100
ERROR, SHARE_ERROR = 2e-5, 1e-4
TEXT_TOKENS = 8
KEPT_STRINGS = 16


def near(a, b, error=ERROR):
    """Whether numbers agree; NULL is NaN and agrees with itself."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    return (np.abs(a - b) <= error * np.maximum(1, np.abs(b))) | (
        np.isnan(a) & np.isnan(b))


class Report:
    def __init__(self):
        self.compared, self.differences, self.border = {}, [], 0

    def check(self, what, holds, detail=""):
        """Counts as many comparisons as `holds` has."""
        holds = np.atleast_1d(holds)
        self.compared[what] = self.compared.get(what, 0) + holds.size
        if not holds.all():
            self.differences.append(f"{what}: {int((~holds).sum())} of "
                                    f"{holds.size} differ {detail}")


class Database:
    """What is asked of one SAE; rows as arrays."""

    def __init__(self, path, sae, report):
        self.db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        found = self.db.execute(
            "SELECT s.id, s.layer, s.dump, s.heads, d.first_token, d.tokens, "
            "d.has_tokens FROM sae AS s JOIN dump AS d ON d.id = s.dump "
            "WHERE s.name = ?", (sae.name,)).fetchone()
        (self.sae, self.layer, self.dump, self.heads, self.first,
         self.tokens, self.has_tokens) = found
        context = self.rows("SELECT first_token - ?2, tokens, sampled, "
                            "document_group FROM context WHERE dump = ?1 "
                            "ORDER BY id", self.dump, self.first)
        self.begin, self.length = context[:, 0].astype(int), context[:, 1]
        self.sampled, self.group = context[:, 2] > 0, context[:, 3]
        report.check("contexts", np.append(self.begin[1:], self.tokens) ==
                     np.cumsum(self.length))

    def rows(self, sql, *values):
        """(n, columns) of numbers, NULL as NaN."""
        cursor = self.db.execute(sql, values)
        rows = cursor.fetchall()
        return np.array(rows, float).reshape(-1, len(cursor.description))

    def by_token(self, features):
        """Of each feature its (token, level) in activation_by_token, which is
        in the order of tokens: one walk over all of it."""
        chosen = ", ".join(str(int(f)) for f in features)
        rows = self.rows("SELECT feature, token - ?2, level FROM "
                         "activation_by_token WHERE sae = ?1 AND feature IN "
                         f"({chosen})", self.sae, self.first)
        return {int(f): rows[rows[:, 0] == f, 1:] for f in features}

    def of(self, columns, table, feature, more="1", *values):
        return self.rows(f"SELECT {columns} FROM {table} WHERE sae = ?1 AND "
                         f"feature = ?2 AND {more}", self.sae, feature,
                         *values)


class Text:
    """Where a token is, and what it is."""

    def __init__(self, dump, base, report):
        path = pathlib.Path(dump) / "tokens.npy"
        self.ids = np.load(path) if path.exists() else None
        self.context = np.repeat(np.arange(len(base.begin)),
                                 base.length.astype(int))
        self.begin = base.begin[self.context]
        self.position = np.arange(base.tokens) - self.begin
        self.bin = np.where(self.position == 0, 0, 1 + np.floor(
            np.log2(np.maximum(self.position, 1)))).astype(int)
        self.sampled = base.sampled[self.context]
        stored = base.rows("SELECT position, vocab FROM token WHERE id >= ? "
                           "AND id < ? ORDER BY id", base.first,
                           base.first + base.tokens)
        report.check("tokens", stored[:, 0] == self.position)
        if self.ids is not None:
            report.check("tokens", stored[:, 1] == self.ids)

    def key(self, token):
        """Equal for tokens whose text repeats."""
        if self.ids is None:
            return token
        begin = max(self.begin[token], token - TEXT_TOKENS)
        return self.ids[begin:token + 1].tobytes()


class Entries:
    """A feature's tokens that are on or near the border, ascending."""

    def __init__(self, token, value, margin, dfa):
        self.token, self.value, self.dfa = token, value, dfa
        self.on = margin > 0
        self.border = np.abs(margin) <= ERROR * np.maximum(1, np.abs(value))


def scan(dump, sae, base, features, contexts):
    """Entries of each feature, and the head codes of some contexts."""
    encoder = sae.encoder()
    shape = (base.heads, -1)
    columns = encoder[:, features].T.reshape(len(features), *shape)
    found, codes = [], {}
    for first, z in layer_parts(dump, base.layer):
        x = z.reshape(len(z), -1)
        value, margin = sae.encode(x, features)
        centred = sae.centre(x).reshape(len(z), *shape)
        row, which = np.nonzero(margin > -ERROR * np.maximum(1, np.abs(value)))
        dfa = np.empty((len(row), base.heads))
        for at in range(0, len(row), 65536):
            part = slice(at, at + 65536)
            dfa[part] = np.einsum("nhd,nhd->nh", centred[row[part]],
                                  columns[which[part]])
        found.append((which, row + first, value[row, which],
                      margin[row, which], dfa))
        inside = np.flatnonzero(contexts[first:first + len(z)])
        codes |= head_codes(sae, x[inside], first + inside, encoder, base)
    which, *rest = (np.concatenate(part) for part in zip(*found))
    return [Entries(*(part[which == i] for part in rest))
            for i in range(len(features))], codes


def head_codes(sae, x, tokens, encoder, base):
    """{(token, head): (code, also possible)}; -1 is no code."""
    codes = {}
    values, margins = sae.encode(x)
    for token, row, value, margin in zip(tokens, sae.centre(x), values,
                                         margins):
        may = np.flatnonzero(margin > -ERROR * np.maximum(1, np.abs(value)))
        sure = np.abs(margin[may]) > ERROR * np.maximum(1, np.abs(value[may]))
        score = (row.reshape(base.heads, -1)[:, :, None] *
                 encoder[:, may].reshape(base.heads, len(row) // base.heads,
                                         len(may))).sum(1)
        if base.heads == 1:
            score = value[may][None]
        for head in range(base.heads):
            s = np.append(score[head], 0)  # the last stands for none
            best = s[np.append(sure, True)].max()
            close = s >= best - ERROR * max(1, best)
            codes[int(token), head] = {int(f) for f, c in zip(
                np.append(may, -1), close) if c}
    return codes


# ---- what is compared ----


def check_feature(report, base, text, f, own, by_token):
    """Its row, levels, histogram, strings, positions, groups."""
    on, border = own.on, own.border
    report.border += int(border.sum())
    fires, density, largest, mean, scale, strings, entropy = base.of(
        "fires, density, max, mean, scale, strings, entropy", "feature", f)[0]
    report.check("fires", abs(fires - on.sum()) <= border.sum(), f"feature {f}")
    report.check("density", near(density, fires / base.tokens, 1e-12))
    value = own.value[on]
    if fires == 0:
        report.check("dead", np.isnan([largest, mean, scale, entropy]))
    if fires == 0 or not on.any():
        return
    slack = border.sum() * np.abs(own.value[border]).max(initial=0)
    report.check("max", near(largest, value.max()), f"feature {f}")
    report.check("mean", abs(mean * fires - value.sum()) <=
                 slack + ERROR * np.maximum(1, value).sum(), f"feature {f}")
    report.check("scale", near(scale, largest / 255, 1e-12))
    stored = {"activation": base.of("token - ?3, level", "activation", f, "1",
                                    base.first),
              "activation_by_token": by_token}
    for table, rows in stored.items():
        check_levels(report, text, f, own, scale, table, rows)
    check_histogram(report, base, f, own, scale)
    if base.has_tokens:
        _, count = np.unique(text.ids[own.token[on]], return_counts=True)
        share = count / count.sum()
        report.check("strings", abs(strings - len(count)) <= border.sum())
        report.check("entropy", border.any() or near(
            entropy, -(share * np.log2(share)).sum()), f"feature {f}")
    for table, key, of_token in (
            ("feature_position", "bin", text.bin),
            ("feature_group", "document_group", base.group[text.context])):
        stored = base.of(f"{key}, fires", table, f)
        of_token = of_token[own.token[on]]
        if not len(stored) and np.isnan(of_token).all():
            continue
        places, count = np.unique(of_token[~np.isnan(of_token)],
                                  return_counts=True)
        got, want = dict(stored), dict(zip(places, count))
        report.check(table, [abs(got.get(k, 0) - want.get(k, 0)) <=
                             border.sum() for k in got | want], f"feature {f}")


def check_levels(report, text, f, own, scale, table, stored):
    sample = own.on & text.sampled[own.token]
    token, level = stored[np.argsort(stored[:, 0])].astype(int).T
    at = np.searchsorted(own.token, token)
    at[at == len(own.token)] = 0
    value = own.value[at]
    slack = ERROR * np.maximum(1, value)
    report.check(f"{table}: pairs", own.token[at] == token, f"feature {f}")
    report.check(f"{table}: pairs", np.isin(own.token[sample & ~own.border],
                                            token), f"feature {f}")
    report.check(f"{table}: levels", (value <= level * scale + slack) &
                 (value >= (level - 1) * scale - slack), f"feature {f}")
    report.check(f"{table}: only the sample", text.sampled[token])


def check_histogram(report, base, f, own, scale):
    got = np.zeros(51)
    stored = base.of("bin, count", "histogram", f).astype(int)
    got[stored[:, 0]] = stored[:, 1]
    edges = np.arange(52) * 5 * scale
    edges[-1] = np.inf
    value = np.sort(own.value[own.on])
    want = np.diff(np.searchsorted(value, edges, "right"))
    slack = ERROR * np.maximum(1, edges[:-1])
    loose = (np.searchsorted(value, edges[:-1] + slack, "right") -
             np.searchsorted(value, edges[:-1] - slack, "left"))
    loose = loose + np.append(loose[1:], 0) + own.border.sum()
    report.check("histogram", np.abs(got - want) <= loose, f"feature {f}")


def check_heads(report, base, sae, f, own):
    stored = base.of("weight_share, data_share", "feature_head", f,
                     "1 ORDER BY head")
    norms = np.linalg.norm(sae.w_dec[f].reshape(base.heads, -1), axis=1)
    total = norms.sum()
    weights = norms / total if total > 0 else np.full(base.heads, np.nan)
    report.check("weight share", near(stored[:, 0], weights), f"feature {f}")
    sums = np.maximum(own.dfa[own.on], 0).sum(0)
    if not own.on.any() or sums.sum() == 0:
        report.check("data share", np.isnan(stored[:, 1]))
        return
    shares = sums / sums.sum()
    error = SHARE_ERROR + own.border.sum() / max(1, own.on.sum())
    report.check("data share", np.abs(stored[:, 1] - shares) <= error,
                 f"feature {f}")
    top, share = base.of("top_head, top_share", "feature", f)[0]
    report.check("top head", shares[int(top)] >= shares.max() - error and
                 share == stored[int(top), 1], f"feature {f}")


def best_tokens(text, token, score, limit):
    """[(token, score)]: the best of each context, no text twice."""
    order = np.lexsort((token, -score))
    contexts, keys, best = set(), set(), []
    for i in order:
        if len(best) == limit or score[i] <= 0:
            break
        context = text.context[token[i]]
        if context in contexts:
            continue
        contexts.add(context)
        key = text.key(token[i])
        if key not in keys:
            keys.add(key)
            best.append((token[i], score[i]))
    return best


def check_ranking(report, what, stored, text, own, score, limit):
    """stored (n, 2): token and score by rank. Scores must be those of the
    tokens, and of each rank that of the own list, so that only tokens whose
    scores are equal can have changed places."""
    want = best_tokens(text, own.token[own.on], score[own.on], limit)
    loose = int(own.border.sum())
    report.check(f"{what}: length", abs(len(stored) - len(want)) <= loose,
                 f"{len(stored)} for {len(want)}")
    if not len(stored):
        return
    at = np.searchsorted(own.token, stored[:, 0])
    at[at == len(own.token)] = 0
    report.check(f"{what}: tokens", (own.token[at] == stored[:, 0]) &
                 near(stored[:, 1], score[at]))
    n = min(len(stored), len(want))
    report.check(f"{what}: ranks", loose > 0 or near(
        stored[:n, 1], [s for _, s in want[:n]]))


def check_top(report, base, text, f, own, limits):
    stored = base.of("token - ?3, value", "example", f,
                     "kind = 'top' ORDER BY rank", base.first)
    check_ranking(report, "top tokens", stored, text, own, own.value,
                  limits[0])
    scale = base.of("scale", "feature", f)[0, 0]
    for head in range(base.heads):
        stored = base.of("token - ?3, contribution, level", "head_example", f,
                         "head = ?4 ORDER BY rank", base.first, head)
        check_ranking(report, "top tokens of a head", stored[:, :2], text, own,
                      own.dfa[:, head], limits[1])
        at = np.searchsorted(own.token, stored[:, 0])
        if len(stored) and at.max() < len(own.token):
            level, value = stored[:, 2], own.value[at]
            report.check("top tokens of a head: levels",
                         (value <= level * scale + ERROR) &
                         (value >= (level - 1) * scale - ERROR))


def check_sets(report, base, text, f, own):
    """The populations of example sets, and that examples are of them."""
    loose = int(own.border.sum())
    value = own.value[own.on]
    sets = base.db.execute(
        "SELECT kind, interval, above, up_to, tokens, examples FROM "
        "example_set WHERE sae = ? AND feature = ?", (base.sae, f)).fetchall()
    total = {}
    for kind, interval, above, up_to, tokens, examples in sets:
        what, slack = f"examples: {kind}", ERROR * max(1, up_to)
        total[kind] = total.get(kind, 0) + tokens
        stored = base.of("token - ?3, value", "example", f,
                         "kind = ?4 AND interval = ?5 ORDER BY rank",
                         base.first, kind, interval)
        report.check(f"{what}, number", len(stored) == examples)
        keys = {text.key(int(token)) for token in stored[:, 0]}
        report.check(f"{what}, texts", len(keys) == len(stored))
        at = np.searchsorted(own.token, stored[:, 0])
        at[at == len(own.token)] = 0
        known = own.token[at] == stored[:, 0]
        if kind == "silent":
            report.check(what, ~known | own.border[at] | ~own.on[at])
            report.check(what, stored[:, 1] == 0)
            continue
        report.check(what, known & near(stored[:, 1], own.value[at]) &
                     (stored[:, 1] > above - slack) &
                     (stored[:, 1] <= up_to + slack), f"feature {f}")
        report.check(f"{what}, order", np.diff(stored[:, 1]) <= 0)
        inner = ((value > above + slack) & (value <= up_to - slack)).sum()
        outer = ((value > above - slack) & (value <= up_to + slack)).sum()
        report.check(f"{what}, population", inner - loose <= tokens <=
                     outer + loose, f"feature {f} interval {interval}")
        if kind == "width":
            report.check(f"{what}, edges", near(
                [above, up_to], np.array([interval - 1, interval]) *
                value.max() / 5))
    for kind, tokens in total.items():
        all_of = base.tokens - len(value) if kind == "silent" else len(value)
        report.check("examples: all tokens", abs(tokens - all_of) <= loose,
                     f"feature {f} {kind}")


def check_strings(report, base, text, f, own):
    """token_feature: figures of its rows, and that the most frequent and the
    strongest strings of the feature are among them."""
    stored = base.of("vocab, count, max, mean", "token_feature", f)
    strings, index = np.unique(text.ids[own.token[own.on]],
                               return_inverse=True)
    value = own.value[own.on]
    count = np.bincount(index, minlength=len(strings))
    largest = np.zeros(len(strings))
    np.maximum.at(largest, index, value)
    mean = np.bincount(index, value, len(strings)) / np.maximum(count, 1)
    at = np.searchsorted(strings, stored[:, 0])
    loose = own.border.any()
    known = at < len(strings)
    at[~known] = 0
    report.check("strings of a feature", loose | (
        known & (strings[at] == stored[:, 0]) & (count[at] == stored[:, 1]) &
        near(stored[:, 2], largest[at]) & near(stored[:, 3], mean[at])),
        f"feature {f}")
    use = np.bincount(text.ids)[strings]
    for score in (count, largest, mean * count / use):
        if len(score) > KEPT_STRINGS:
            bar = np.sort(score)[-KEPT_STRINGS]
            must = score > bar + ERROR * max(1, bar)
        else:
            must = np.ones(len(score), bool)
        report.check("strings of a feature: none missing", loose | np.isin(
            strings[must], stored[:, 0]), f"feature {f}")


def check_codes(report, base, codes):
    stored = {}
    tokens = sorted({token for token, _ in codes})
    for token in tokens:
        for head, feature in base.db.execute(
                "SELECT head, feature FROM head_code WHERE sae = ? AND "
                "token = ?", (base.sae, token + base.first)):
            stored[token, head] = feature
    report.check("head codes", [stored.get(place, -1) in may
                                for place, may in codes.items()])
    count = base.rows("SELECT head, feature, count(*) FROM head_code "
                      "WHERE sae = ? GROUP BY head, feature", base.sae)
    stored = base.rows("SELECT head, feature, count FROM head_code_count "
                       "WHERE sae = ? ORDER BY head, feature", base.sae)
    report.check("head codes: counts", stored.shape == count.shape and
                 stored == count)
    for head, codes, entropy in base.rows(
            "SELECT head, codes, code_entropy FROM head WHERE sae = ?",
            base.sae):
        n = count[count[:, 0] == head, 2]
        report.check("head codes: counts", codes == n.sum())
        share = n / max(1, n.sum())
        report.check("head codes: entropy", near(
            entropy, -(share * np.log2(share)).sum() if len(n) else np.nan))


# ---- one SAE ----


def choose(base, rng):
    alive = base.rows("SELECT feature FROM feature WHERE sae = ? AND fires > 0",
                      base.sae)[:, 0].astype(int)
    dead = base.rows("SELECT feature FROM feature WHERE sae = ? AND fires = 0",
                     base.sae)[:, 0].astype(int)
    return np.sort(np.concatenate([
        rng.choice(alive, min(FEATURES, len(alive)), replace=False),
        rng.choice(dead, min(DEAD, len(dead)), replace=False)]))


def check(dump, database, folder):
    report, sae = Report(), Sae(folder)
    base = Database(database, sae, report)
    text = Text(dump, base, report)
    rng = np.random.default_rng(7)
    features = choose(base, rng)
    sampled = np.flatnonzero(base.sampled)
    contexts = np.isin(text.context, rng.choice(
        sampled, min(CONTEXTS, len(sampled)), replace=False))
    entries, codes = scan(dump, sae, base, features, contexts)
    limits = [int(base.rows(f"SELECT max(rank) FROM {table} WHERE sae = ?",
                            base.sae)[0, 0])
              for table in ("(SELECT * FROM example WHERE kind = 'top')",
                            "head_example")]
    by_token = base.by_token(features)
    for f, own in zip(map(int, features), entries):
        check_feature(report, base, text, f, own, by_token[f])
        check_heads(report, base, sae, f, own)
        if own.on.any():
            check_top(report, base, text, f, own, limits)
            check_sets(report, base, text, f, own)
            if text.ids is not None:
                check_strings(report, base, text, f, own)
    check_codes(report, base, codes)
    pairs = sum(int(own.on.sum()) for own in entries)
    print(f"{sae.name}: {len(features)} features, {pairs} activations, "
          f"{report.border} at the border; {sum(report.compared.values())} "
          f"comparisons, {len(report.differences)} that differ", flush=True)
    for line in report.differences[:20]:
        print(f"  DIFFERENCE {line}")
    return report


def main():
    dump, database, folders = sys.argv[1], sys.argv[2], sys.argv[3:]
    reports = [check(dump, database, folder) for folder in folders]
    print("compared:")
    for what in dict.fromkeys(w for r in reports for w in r.compared):
        print(f"{sum(r.compared.get(what, 0) for r in reports):10} {what}")
    agree = not any(r.differences for r in reports)
    print("all agree" if agree else "DIFFERENCES")
    sys.exit(0 if agree else 1)


if __name__ == "__main__":
    main()
