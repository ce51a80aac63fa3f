# SPDX-License-Identifier: MIT
"""Databases whose content is known: every feature fires on one token string.

They follow store/schema.sql and are made without headscope, so that a test
reads what it planted. Feature f of an SAE fires wherever string f % len(words)
stands, most of it through head f % heads; the last feature is dead. With
tokens, what an example gets comes from the first token of its context and from
the token before it (source_rows).
"""
import math
import os
import sqlite3

APPLICATION_ID, SCHEMA_VERSION = 0x68736370, 6
CONTEXTS, LENGTH = 24, 12
SAMPLED = CONTEXTS // 2  # every second one
BINS = [(0, 0), (1, 1), (2, 3), (4, 7), (8, 15)]  # of positions
GROUPS = ["stories", "=news"]  # the first half of the contexts, the second
WHOLE = 200  # features with all there is; others fire once and have an example
STEPS = range(10, 110, 10)  # of the training curves
BOS = "<|endoftext|>"
LONG = "long" * 2560

# What a page must show as text: markup, a direction override, bytes that are no
# text, 10 kB, marks above marks, what cannot be seen.
HOSTILE = {
    "markup": "<img src=x onerror=window.hit=1>",
    "script": "</span><script>window.hit=1</script>",
    "override": "\u202edesrever",
    "nul": "\\x00",
    "bytes": "\\xE2\\x80",
    "long": LONG,
    "marks": "z" + "\u0351\u036b" * 40,
    "unseen": "\u200b",
    "quote": "\"'&amp;",
    "percent": " %3Cb%3E&#60;?f=1",
}
BYTES = {"\\x00": b"\0", "\\xE2\\x80": b"\xe2\x80"}
WORDS = [BOS, " Lily", " and", " Ben", "\n", " fed", " the", " ducks",
         *HOSTILE.values()]
UNUSED = "ducks"  # in the vocabulary, nowhere in the text


def schema(path, source):
    """An empty database at path."""
    if os.path.exists(path):
        os.remove(path)
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = OFF")
    db.execute("PRAGMA synchronous = OFF")
    for name in "schema.sql", "views.sql":
        with open(os.path.join(source, "store", name),
                  encoding="utf-8") as sql:
            db.executescript(sql.read())
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    return db


def insert(db, table, rows):
    rows = list(rows)
    if rows:
        places = ", ".join("?" * len(rows[0]))
        db.executemany(f"INSERT INTO {table} VALUES ({places})", rows)


def text(db, words, has_tokens, layers, heads):
    """The dump, contexts and tokens; returns the places of each word."""
    n = CONTEXTS * LENGTH
    insert(db, "dump", [(1, "planted.dump", "planted", None, "0" * 32, 0, layers,
                         heads, 8, 8 * heads, "f32", "always", 0, n, CONTEXTS,
                         "dump", int(has_tokens), int(has_tokens), 1, n, 0,
                         SAMPLED, SAMPLED * LENGTH)])
    places = [[] for _ in words]
    tokens = []
    for context in range(CONTEXTS):
        for position in range(LENGTH):
            token = 1 + context * LENGTH + position
            word = 0 if position == 0 else 1 + (5 * context + position) % (
                len(words) - 1)
            places[word].append(token)
            tokens.append((token, context, position,
                           word if has_tokens else None))
    if has_tokens:
        insert(db, "vocab", ((i, word, BYTES.get(word), len(places[i]))
                             for i, word in enumerate(words)))
        insert(db, "vocab", [(len(words), UNUSED, None, 0)])
        insert(db, "vocab_use", ((1, i, len(places[i]))
                                 for i in range(len(words)) if places[i]))
    half = CONTEXTS // 2
    insert(db, "document_group", ((i + 1, 1, name, half, half * LENGTH)
                                  for i, name in enumerate(GROUPS)))
    insert(db, "context", ((c, 1, group_of(c), 1 + c * LENGTH, LENGTH,
                            1 - c % 2) for c in range(CONTEXTS)))
    insert(db, "token", tokens)
    insert(db, "position_bin", (
        (1, b, first, min(last, LENGTH - 1),
         CONTEXTS * (min(last, LENGTH - 1) - first + 1))
        for b, (first, last) in enumerate(BINS)))
    return places


def group_of(context):
    return 1 + context // (CONTEXTS // 2)


def shares(feature, heads):
    """Top first: head feature % heads has about half."""
    rest = [1 + (feature + h) % 3 for h in range(heads)]
    rest[feature % heads] = 0
    half = .5 + feature % 40 / 100 if heads > 1 else 1
    return [half if h == feature % heads else (1 - half) * rest[h] / sum(rest)
            for h in range(heads)]


def sampled(token):
    return (token - 1) // LENGTH % 2 == 0


def value(feature, token):
    """An activation: from 1 to 4, different for the places of a feature."""
    return 1 + 3 * (token * 37 % 101) / 101 + feature % 10 / 1000


def source_rows(number, feature, token, most, top, heads):
    """Sources of an example: of its top head the context's first token and, by
    half as much, the one before; of the next head the one before."""
    first = token - (token - 1) % LENGTH
    yield number, feature, token, top, 1, first, .6 * most
    if token > first + 1:
        yield number, feature, token, top, 2, token - 1, .3 * most
    if heads > 1 and token > first:
        yield number, feature, token, (top + 1) % heads, 1, token - 1, .2 * most


def drawn(values, most):
    """The sets of examples but for the strongest: (kind, interval, above,
    up to, tokens, [(value, token)]). values: all active ones, the strongest
    first."""
    for i in range(5):
        low, high = most * i / 5, most * (i + 1) / 5
        members = [x for x in values if low < x[0] <= high]
        if members:
            yield "width", i + 1, low, high, len(members), members[:2]
    size = -(-len(values) // 5)
    for i in range(-(-len(values) // size)):
        members = values[::-1][i * size:(i + 1) * size][::-1]
        yield ("count", i + 1, members[-1][0] - .001, members[0][0],
               len(members), members[:2])
    yield "random", 1, 0.0, most, len(values), values[1:4] or values
    active = {t for _, t in values}
    silent = [t for t in range(1, 1 + CONTEXTS * LENGTH) if t not in active]
    yield "silent", 1, 0.0, 0.0, len(silent), [(0.0, t) for t in silent[5:8]]


def places_of(number, feature, active):
    """Rows of feature_position and feature_group."""
    bins, groups = {}, {}
    for token in active:
        context, position = divmod(token - 1, LENGTH)
        b = next(i for i, (_, last) in enumerate(BINS) if position <= last)
        bins[b] = bins.get(b, 0) + 1
        group = group_of(context)
        groups[group] = groups.get(group, 0) + 1
    return ([(number, feature, b, n) for b, n in bins.items()],
            [(number, feature, g, n) for g, n in groups.items()])


def metrics(number, heads):
    """Curves that fall from step to step, those of a head beside each other."""
    names = ["loss", "held_out_fvu", "held_out_l0", "dead_fraction",
             "density_histogram[3]"]
    names += [f"per_head_fvu[{h}]" for h in range(heads)]
    for i, name in enumerate(names):
        for step in STEPS:
            yield number, name, step, number + i / 10 + 10 / step


def sae(db, number, layer, features, heads, words, places, has_tokens):
    """An SAE and all its tables, in one walk over its features."""
    n = CONTEXTS * LENGTH
    rows = {name: [] for name in (
        "feature", "feature_head", "histogram", "activation",
        "activation_by_token", "example_set", "example",
        "example_activation", "head_example", "token_feature",
        "feature_logit", "example_source", "feature_source_offset",
        "feature_source_token", "feature_neighbour", "feature_pair",
        "feature_position", "feature_group")}
    for f in range(features):
        word, dead = f % len(words), features > 1 and f == features - 1
        top, share = f % heads, shares(f, heads)
        rows["feature_head"] += ((number, f, h, 1 / heads,
                                  None if dead else share[h])
                                 for h in range(heads))
        if dead:
            rows["feature"].append((number, f, 0, 0.0, *[None] * 7))
            continue
        active = places[word] if f < WHOLE else places[word][:1]
        values = sorted(((value(f, t), t) for t in active), reverse=True)
        most = values[0][0]
        scale = most / 255
        level = {t: min(255, max(1, math.ceil(v / scale))) for v, t in values}
        rows["feature"].append((
            number, f, len(values), len(values) / n, most,
            sum(v for v, _ in values) / len(values), scale,
            1 if has_tokens else None, 0.0 if has_tokens else None, top,
            share[top]))
        rows["example_set"].append((number, f, "top", 1, 0.0, most,
                                    len(values), len(values[:20])))
        rows["example"] += ((number, f, "top", 1, i + 1, t, v)
                            for i, (v, t) in enumerate(values[:20]))
        if f >= WHOLE:
            continue
        bins = [0] * 51
        for at in level.values():
            bins[(at - 1) // 5] += 1
        rows["histogram"] += ((number, f, b, count)
                              for b, count in enumerate(bins) if count)
        inside = [t for t in active if sampled(t)]
        rows["activation"] += ((number, f, t, level[t]) for t in inside)
        rows["activation_by_token"] += ((number, t, f, level[t], 1 << top)
                                        for t in inside)
        for kind, interval, *bounds, chosen in drawn(values, most):
            rows["example_set"].append((number, f, kind, interval, *bounds,
                                        len(chosen)))
            rows["example"] += ((number, f, kind, interval, i + 1, t, v)
                                for i, (v, t) in enumerate(chosen))
        for table, content in zip(("feature_position", "feature_group"),
                                  places_of(number, f, active)):
            rows[table] += content
        others = [o for o in (f + 1, f + 2) if o < min(features - 1, WHOLE)]
        rows["feature_neighbour"] += ((number, f, i + 1, o, .75 - i / 4)
                                      for i, o in enumerate(others))
        rows["feature_pair"] += ((number, f, i + 1, o, 6 - i, 1.5)
                                 for i, o in enumerate(others[::-1]))
        rows["example_activation"] += ((number, f, t, level[t])
                                       for t in active if not sampled(t))
        rows["head_example"] += ((number, f, h, i + 1, t, v * share[h], level[t])
                                 for h in range(heads) if share[h] > 0
                                 for i, (v, t) in enumerate(values[:10]))
        if has_tokens:
            rows["example_source"] += (row for v, t in values[:20] for row in
                                       source_rows(number, f, t, v, top, heads))
            rows["feature_source_offset"] += [(number, f, 1, .25, 1),
                                              (number, f, 3, .75, 3)]
            rows["feature_source_token"] += [
                (number, f, 1, (word + 1) % len(words), .5, 3),
                (number, f, 2, (word + 2) % len(words), .125, 1)]
            rows["feature_logit"] += (
                (number, f, rank, (word + rank) % len(words),
                 (21 - abs(rank)) / (10 if rank > 0 else -20))
                for rank in range(-20, 21) if rank)
            rows["token_feature"].append((
                number, word, f, len(values), most,
                sum(v for v, _ in values) / len(values)))
    alive = [f for f in range(features) if features == 1 or f < features - 1]
    insert(db, "sae", [(
        number, 1, f"sae{number}", layer, f"blocks.{layer}.attn.hook_z",
        "jumprelu", 8 * heads, features, heads, f"{number:032x}", None,
        "{}", .2, 4.0, .1, .2,
        .4, n, .2, 4.0, 8.0, 2.0, .9, 1.0, features - len(alive),
        len(rows["activation"]), SAMPLED * LENGTH,
        SAMPLED * LENGTH if has_tokens else 0)])
    insert(db, "head", ((number, h, f"L{layer}H{h}",
                         sum(f % heads == h for f in alive), .2, .2,
                         sum(row[4] == 1 << h
                             for row in rows["activation_by_token"]), 1.0)
                        for h in range(heads)))
    codes = {}
    for row in rows["activation_by_token"]:
        head = row[4].bit_length() - 1
        codes[head, row[2]] = codes.get((head, row[2]), 0) + 1
    rows["head_code_count"] = [(number, h, f, n)
                               for (h, f), n in codes.items()]
    # The first six features of a head, two and two.
    rows["head_group"] = [(number, h, 1 + i // 2, f) for h in range(heads)
                          for i, f in enumerate(alive[h::heads][:6])]
    rows["metric"] = list(metrics(number, heads))
    for table, content in rows.items():
        insert(db, table, content)


def plant(path, source, layers=2, features=90, heads=4, has_tokens=True,
          one_layer=False):
    """A database with an SAE a layer, or all of them on layer 0."""
    db = schema(path, source)
    with db:
        places = text(db, WORDS, has_tokens, layers, heads)
        for layer in range(layers):
            sae(db, 1 + layer, 0 if one_layer else layer, features, heads,
                WORDS, places, has_tokens)
    db.close()
    return path
