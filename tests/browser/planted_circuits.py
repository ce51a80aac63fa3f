# SPDX-License-Identifier: MIT
"""Circuits whose content is known, as headscope circuit would store them.

Twelve prompts, those with even numbers positive, of a model of two layers of
three heads. Codes are told by `code`; scores and edges follow from them by
their definitions.
"""
import sqlite3
from itertools import combinations

from planted import BOS, HOSTILE, insert, plant, schema

LAYERS, HEADS, PROMPTS = 2, 3, 12
NAMES = [(layer, head) for layer in range(LAYERS) for head in range(HEADS)]
#: Name, model, heads of the true circuit; None: no truth.
TASKS = [("first", "planted", {(1, 0), (1, 2)}),
         ("second", "planted", {(1, 2), (0, 1)}),
         (HOSTILE["markup"], "planted", None),
         ("elsewhere", "another", {(1, 2)})]
ANSWERS = [" Ben", *HOSTILE.values()]


def label(prompt):
    return 1 - prompt % 2


def code(layer, head, prompt):
    """One for all; one or none; one for two neighbours, a positive and a
    negative; one that three positives alone have; one for each prompt; one a
    class."""
    return {(0, 0): 7, (0, 1): None if prompt % 3 == 0 else 1,
            (0, 2): prompt // 2, (1, 0): 20 if prompt in (0, 2, 4) else 21,
            (1, 1): 30 + prompt, (1, 2): 41 - label(prompt)}[layer, head]


def only_positives(value):
    """Values that positive prompts have and negative ones have not."""
    seen = [{value(p) for p in range(PROMPTS) if label(p) == which}
            for which in (0, 1)]
    return seen[1] - seen[0] - {None}


def score(layer, head):
    return len(only_positives(lambda p: code(layer, head, p)))


def edge(a, b):
    def both(prompt):
        pair = code(*a, prompt), code(*b, prompt)
        return None if None in pair else pair
    return len(only_positives(both))


def tokens(prompt):
    hostile = list(HOSTILE.values())
    return [BOS, f" p{prompt}", hostile[prompt % len(hostile)], " gave", " to"]


def add(db, number, name, model, truth):
    known = truth is not None
    figures = [.9, .01, .8, .7, .6, .5, .02, .03, .4, .04, .3, .05, .2, .06,
               .1, .07] if known else [None] * 16
    insert(db, "circuit", [(
        number, name, model, f"{number:032x}", LAYERS, 0, HEADS, PROMPTS,
        PROMPTS // 2, 2, '{"examples": 4, "position": "mean"}', *figures)])
    insert(db, "circuit_prompt", ((
        number, p, label(p), "".join(tokens(p)), 4,
        ANSWERS[p % len(ANSWERS)] if p < 10 else None)
        for p in range(PROMPTS)))
    insert(db, "circuit_token", ((number, p, i, text, int("\\x" in text))
                                 for p in range(PROMPTS)
                                 for i, text in enumerate(tokens(p))))
    insert(db, "circuit_head", ((
        number, layer, head, f"L{layer}H{head}", score(layer, head),
        10 * layer + head, head + .5, 1 / (1 + layer + head), .5 + layer / 4,
        int((layer, head) in truth) if known else None,
        -.5 if known and number == 1 and (layer, head) in truth
        else .1 if number == 1 else None) for layer, head in NAMES))
    insert(db, "circuit_code", ((number, *name, p, code(*name, p))
                                for name in NAMES for p in range(PROMPTS)
                                if code(*name, p) is not None))
    insert(db, "circuit_edge", ((number, *a, *b, edge(a, b))
                                for a, b in combinations(NAMES, 2)
                                if edge(a, b)))


def plant_circuits(path, source, saes=False, tasks=TASKS):
    """A database of circuits only, or of SAEs too."""
    db = sqlite3.connect(plant(path, source)) if saes else schema(path, source)
    with db:
        for i, task in enumerate(tasks):
            add(db, i + 1, *task)
    db.close()
    return path
