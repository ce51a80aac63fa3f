#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Texts that are hard to tokenize, and what Hugging Face makes of them.

    python3 tests/golden/make_hostile_golden.py
    python3 tests/golden/make_hostile_golden.py --check build [MODEL...]

Without --check it writes beside itself what tests/unit/test_tokenizer_golden.c
reads:

hostile.gz           5,000 texts with the ids that GPT2Tokenizer gives them with
                     examples/tiny-gpt2; each u32 bytes, the text, u32 n, u16
                     ids, little-endian, gzipped
unicode_classes.txt  the class of every code point for GPT-2's expression, L
                     letter, N number, S white space, P other: a line for each
                     run, its first code point in hex and the class

With --check that same test reads other texts with other vocabularies: one that
is trained here on the corpus and hostile texts, so that merges reach across the
borders of pieces, and those of the folders MODEL (vocab.json, merges.txt; for
instance GPT-2's own).

The classes are Unicode 16's, which tokenizers 0.23.3 knows. Written with
tokenizers 0.23.3 and transformers 5.24.0.
"""
import argparse
import gzip
import os
import pathlib
import random
import struct
import subprocess
import tempfile

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import GPT2Tokenizer

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLE = HERE.parent.parent / "examples" / "tiny-gpt2"
EOS = "<|endoftext|>"
TEXTS = 5000

# First and last code points: scripts, marks, symbols, private use, code points
# that Unicode has not given out or only lately.
RANGES = [
    (0x00, 0x1f), (0x20, 0x7e), (0x7f, 0x9f), (0xa0, 0xff), (0x100, 0x24f),
    (0x300, 0x36f), (0x370, 0x3ff), (0x400, 0x4ff), (0x590, 0x5ff),
    (0x600, 0x6ff), (0x900, 0x97f), (0xe00, 0xe7f), (0x1100, 0x11ff),
    (0x1c80, 0x1c8f), (0x1d00, 0x1dbf), (0x2000, 0x206f), (0x2070, 0x209f),
    (0x2150, 0x218f), (0x2460, 0x24ff), (0x2e80, 0x2fdf), (0x3000, 0x303f),
    (0x3040, 0x30ff), (0x4e00, 0x9fff), (0xa7c0, 0xa7df), (0xac00, 0xd7a3),
    (0xe000, 0xe0ff), (0xfe00, 0xfe0f), (0xfff0, 0xffff), (0x10300, 0x1034f),
    (0x10d40, 0x10d8f), (0x11380, 0x113df), (0x11f00, 0x11f5f),
    (0x16d40, 0x16d7f), (0x1d400, 0x1d7ff), (0x1e4d0, 0x1e4ff),
    (0x1f1e6, 0x1f1ff), (0x1f300, 0x1faff), (0x31350, 0x313ff),
    (0xe0000, 0xe007f), (0x10ff00, 0x10ffff),
]
WHITE = (" \t\n\v\f\r\x85\xa0\u1680\u2000\u2009\u200a\u2028\u2029\u202f\u205f"
         "\u3000\u180e\u200b\ufeff\x1c\x1d\x1e\x1f")
PARTS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'", "''", "'S", "'LL",
         "\u2019s", "'r", "'l", "'v", "'sx", " 's", "1's", EOS, EOS[:-1],
         EOS[1:], "<|", "|>", "<|endoftext|><|endoftext|>", "\0", "\0\0",
         "e\u0301", "a\u0300\u0301\u0302", "\u200d", "\ufe0f", "\U0001f469"
         "\u200d\U0001f467", "\U0001f1eb\U0001f1f7", "\u0378", "\U000e0fff",
         "the", " the", "ing", " Lily", "\n\n", "  ", "   ", "\r\n", "1732"]


def character(rng):
    low, high = rng.choice(RANGES)
    return chr(rng.randint(low, high))


def word(rng):
    low, high = rng.choice(RANGES)
    return "".join(chr(rng.randint(low, high))
                   for _ in range(rng.randint(1, 8)))


def text(rng):
    kind = rng.randrange(8)
    if kind == 0:  # long runs of one character
        return "".join(character(rng) * rng.choice([1, 2, 3, 17, 200])
                       for _ in range(rng.randint(1, 3)))
    if kind == 1:  # white space of every kind
        return "".join(rng.choice(WHITE) * rng.randint(1, 4)
                       if rng.random() < 0.8 else rng.choice(PARTS)
                       for _ in range(rng.randint(1, 15)))
    if kind == 2:  # mixed scripts
        return rng.choice(["", " "]).join(word(rng)
                                          for _ in range(rng.randint(1, 8)))
    if kind == 3:  # one code point anywhere, between others
        return "a" + chr(rng.choice([rng.randrange(0xd800),
                                     rng.randrange(0xe000, 0x110000)])) + "1"
    if kind == 4:  # lone endings
        return "".join(rng.choice(PARTS[:18])
                       for _ in range(rng.randint(1, 12)))
    return "".join(rng.choice([rng.choice(PARTS), character(rng), word(rng),
                               rng.choice(WHITE)])
                   for _ in range(rng.randint(1, 12)))


def texts(seed):
    rng = random.Random(seed)
    return [text(rng) for _ in range(TEXTS)]


def write_hostile(path, folder, seed):
    tokenizer = GPT2Tokenizer.from_pretrained(str(folder))
    out = bytearray()
    for t in texts(seed):
        raw, ids = t.encode(), tokenizer.encode(t)
        out += struct.pack("<I", len(raw)) + raw + struct.pack("<I", len(ids))
        out += struct.pack("<%dH" % len(ids), *ids)
    path.write_bytes(gzip.compress(bytes(out), 9, mtime=0))


def write_classes(path):
    split = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str

    def joins(before, c):
        return len(split(before + c)) == 1

    last, lines = None, []
    for point in [*range(0xd800), *range(0xe000, 0x110000)]:
        c = chr(point)
        kind = next((k for k, before in (("L", "a"), ("N", "1"), ("P", "!"))
                     if joins(before, c)), "S")
        if kind != last:
            lines.append(f"{point:x} {kind}\n")
        last = kind
    path.write_text("".join(lines))


def train(folder):
    """Merges across everything: no expression holds them back, so that a piece
    cut elsewhere has other ids."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(
        add_prefix_space=False, use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=20000, min_frequency=2, max_token_length=60,
        special_tokens=[EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False)
    corpus = (EXAMPLE / "corpus.txt").read_text()[:300000].split(EOS)
    lines = [line for text in corpus for line in text.split("\n")]
    tokenizer.train_from_iterator(lines + 10 * texts(99), trainer)
    folder.mkdir()
    tokenizer.model.save(str(folder))


def check(build, folders):
    program = build.resolve() / "tests" / "test_tokenizer_golden"
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        train(folder / "trained")
        for seed, model in enumerate([folder / "trained", *folders], 2):
            write_hostile(folder / "hostile.gz", model, seed)
            print(model.name, flush=True)
            subprocess.run([program], check=True, env=dict(
                os.environ, TOKENIZER_MODEL=str(model.resolve()),
                TOKENIZER_GOLDEN=str(folder / "hostile.gz")))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", type=pathlib.Path, metavar="BUILD")
    parser.add_argument("models", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    if args.check:
        check(args.check, args.models)
        return
    write_hostile(HERE / "hostile.gz", EXAMPLE, 1)
    write_classes(HERE / "unicode_classes.txt")


if __name__ == "__main__":
    main()
