"""Loads SAE folders with SAELens and compares codes with a database.

    python3 tests/interop/saelens_loads.py DUMP DATABASE SAE...

DATABASE is what `headscope encode DUMP SAE...` wrote. Each folder is loaded
with SAE.load_from_disk and encodes rows of DUMP, fed as [rows, heads, d_head].
Then, over the contexts that the database keeps rows of, the active (token,
feature) pairs must be those of SAELens, but for pre-activations within 1e-4 of
the threshold; each level must stand for SAELens' activation within half a
scale; and the exact activations of all examples must agree within 1e-4.
Needs sae-lens (>= 6), torch, numpy, safetensors.
"""
import pathlib
import sqlite3
import sys

import numpy as np
import torch
from sae_lens import SAE

sys.path.append(str(pathlib.Path(__file__).parent))
from headscope_files import read_layer  # noqa: E402

TOLERANCE = 1e-4


def encode(sae, z):
    """Activations (rows, features), in pieces."""
    with torch.no_grad():
        return np.concatenate([sae.encode(torch.from_numpy(part)).numpy()
                               for part in np.array_split(z, 64)])


def check_rows(db, sae_id, first, z, sae):
    """Levels of the sample; returns the number of pairs compared."""
    scale = dict(db.execute(
        "SELECT feature, scale FROM feature WHERE sae = ?", (sae_id,)))
    threshold = sae.threshold.detach().numpy()
    pairs = 0
    for begin, n in db.execute("SELECT first_token, tokens FROM context "
                               "WHERE sampled = 1"):
        codes = encode(sae, z[begin - first:begin - first + n])
        stored = np.zeros_like(codes)
        for token, feature, level in db.execute(
                "SELECT token, feature, level FROM activation_by_token "
                "WHERE sae = ? AND token BETWEEN ? AND ?",
                (sae_id, begin, begin + n - 1)):
            value, s = codes[token - begin, feature], scale[feature]
            stored[token - begin, feature] = 1
            pairs += 1
            if value == 0:
                # SAELens has it off: it must lie at the threshold.
                near = (level - 0.5) * s + s / 2 - threshold[feature]
                assert near <= s + TOLERANCE, (token, feature, level)
            else:
                off = abs(value - (level - 0.5) * s)
                assert off <= s / 2 + TOLERANCE, (token, feature, level, value)
        extra = np.argwhere((codes > 0) & (stored == 0))
        for row, feature in extra:
            assert codes[row, feature] - threshold[feature] <= TOLERANCE, (
                begin + row, feature, codes[row, feature])
    return pairs


def check_examples(db, sae_id, first, z, sae):
    """Exact activations; returns their number and the largest difference."""
    rows = db.execute("SELECT token, feature, value FROM example "
                      "WHERE sae = ?", (sae_id,)).fetchall()
    tokens = sorted({row[0] for row in rows})
    at = {token: i for i, token in enumerate(tokens)}
    codes = encode(sae, z[np.array(tokens) - first])
    threshold = sae.threshold.detach().numpy()
    # Where SAELens has a feature off, it must have been at the threshold.
    worst = max(abs((codes[at[t], f] or threshold[f]) - v) for t, f, v in rows)
    assert worst <= TOLERANCE, worst
    return len(rows), worst


def main():
    dump, database, folders = sys.argv[1], sys.argv[2], sys.argv[3:]
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    for folder in map(pathlib.Path, folders):
        sae = SAE.load_from_disk(str(folder))
        sae_id, layer, first = db.execute(
            "SELECT s.id, s.layer, d.first_token FROM sae AS s "
            "JOIN dump AS d ON d.id = s.dump WHERE s.name = ?",
            (folder.name.removesuffix(".sae"),)).fetchone()
        z = read_layer(dump, layer)
        pairs = check_rows(db, sae_id, first, z, sae)
        examples, worst = check_examples(db, sae_id, first, z, sae)
        print(f"{folder.name}: {type(sae).__name__}, {pairs} pairs of the "
              f"sample and {examples} examples agree; largest difference "
              f"{worst:.1e}", flush=True)


if __name__ == "__main__":
    main()
