"""Loads SAE folders with SAELens and compares codes with a database.

    python3 tests/interop/saelens_loads.py DUMP DATABASE SAE...

DATABASE is what `headscope encode DUMP SAE...` wrote. Each folder is loaded
with SAE.load_from_disk, in float32, and encodes rows of DUMP, fed as [rows,
heads, d_head] where its config reshapes hook_z. Then, over the contexts that
the database keeps rows of, the active (token, feature) pairs must be those of
SAELens, but for pairs within 1e-4 of the border between on and off; each level
must stand for SAELens' activation within half a scale; and the exact
activations of all examples must agree within 1e-4, of their value where that
is above 1. Needs sae-lens (>= 6), torch, numpy.
"""
import pathlib
import sqlite3
import sys

import numpy as np
import torch
from sae_lens import SAE

sys.path.append(str(pathlib.Path(__file__).parent))
from headscope_files import Sae, read_layer  # noqa: E402

TOLERANCE = 1e-4


def encode(sae, z):
    """SAELens' activations of z (rows, heads, d_head), in pieces."""
    if sae.cfg.reshape_activations != "hook_z":
        z = z.reshape(len(z), -1)
    with torch.no_grad():
        return np.concatenate([sae.encode(torch.from_numpy(part)).numpy()
                               for part in np.array_split(z, 64) if len(part)])


def margins(own, z):
    return own.encode(z.reshape(len(z), -1))[1]


def near(a, b):
    return abs(a - b) <= TOLERANCE * np.maximum(1, np.abs(b))


def check_rows(db, sae_id, first, z, sae, own):
    """Levels of the sample; returns the number of pairs compared."""
    scale = np.array([s or 0 for (s,) in db.execute(
        "SELECT scale FROM feature WHERE sae = ? ORDER BY feature",
        (sae_id,))])
    pairs = 0
    for begin, n in db.execute("SELECT first_token, tokens FROM context "
                               "WHERE sampled = 1"):
        part = z[begin - first:begin - first + n]
        codes = encode(sae, part)
        rows = np.array(db.execute(
            "SELECT token - ?1, feature, level FROM activation_by_token "
            "WHERE sae = ?2 AND token BETWEEN ?1 AND ?3",
            (begin, sae_id, begin + n - 1)).fetchall(), int).reshape(-1, 3)
        level = np.zeros(codes.shape, int)
        level[rows[:, 0], rows[:, 1]] = rows[:, 2]
        pairs += len(rows)
        differ = np.argwhere((codes > 0) != (level > 0))
        if len(differ):
            margin = margins(own, part)[differ[:, 0], differ[:, 1]]
            assert np.abs(margin).max() <= TOLERANCE, (
                begin, differ[np.abs(margin).argmax()])
        both = (codes > 0) & (level > 0)
        off = np.abs(codes - (level - 0.5) * scale)
        bound = scale / 2 + TOLERANCE * np.maximum(1, codes)
        assert (off <= bound)[both].all(), (begin, off[both].max())
    return pairs


def check_examples(db, sae_id, first, z, sae, own):
    """Exact activations; returns their number and the largest difference."""
    rows = db.execute("SELECT token, feature, value FROM example "
                      "WHERE sae = ? ORDER BY token", (sae_id,)).fetchall()
    tokens, features, values = (np.array(c) for c in zip(*rows))
    places, at = np.unique(tokens, return_inverse=True)
    z = z[places - first]
    codes = encode(sae, z)[at, features]
    flips = (codes > 0) != (values > 0)
    if flips.any():
        margin = np.abs(margins(own, z)[at[flips], features[flips]])
        assert margin.max() <= TOLERANCE, margin.max()
    off = np.abs(codes - values)[~flips]
    assert near(codes, values)[~flips].all(), off.max()
    return len(rows), (off / np.maximum(1, values[~flips])).max()


def check(db, dump, folder):
    """One line on an SAE folder; fails where it differs."""
    sae = SAE.load_from_disk(str(folder), dtype="float32")
    own = Sae(folder)
    sae_id, layer, first = db.execute(
        "SELECT s.id, s.layer, d.first_token FROM sae AS s "
        "JOIN dump AS d ON d.id = s.dump WHERE s.name = ?",
        (own.name,)).fetchone()
    z = read_layer(dump, layer)
    pairs = check_rows(db, sae_id, first, z, sae, own)
    examples, worst = check_examples(db, sae_id, first, z, sae, own)
    return (f"{folder.name}: {type(sae).__name__}, {pairs} pairs of the sample "
            f"and {examples} examples agree; largest difference {worst:.1e}")


def main():
    dump, database, folders = sys.argv[1], sys.argv[2], sys.argv[3:]
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    for folder in map(pathlib.Path, folders):
        print(check(db, dump, folder), flush=True)


if __name__ == "__main__":
    main()
