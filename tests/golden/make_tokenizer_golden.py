#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tokenizer.json beside this script: texts and the ids that Hugging
Face's GPT2Tokenizer gives them with examples/tiny-gpt2. Run once, by hand:

    pip install transformers==5.23.0 tokenizers==0.23.3
    python3 tests/golden/make_tokenizer_golden.py

The random texts mix what the expression tells apart: letters, digits, white
space of every kind, apostrophes, special tokens and their halves. No letter
is younger than Unicode 14, which PCRE2 10.42 knows.
"""
import json
import pathlib
import random

from transformers import GPT2Tokenizer

HERE = pathlib.Path(__file__).resolve().parent
EOS = "<|endoftext|>"

CHOSEN = [
    "",
    " ",
    "Once upon a time, there was a little girl named Lily.",
    "I'm sure they'll say it's what we've got; you're he'd, 'tis 'S 'LL",
    "The work lasted from the year 1732 to the year 17",
    "a  b   c    \n\n  d\t\te \r\n f   ",
    "trailing spaces   ",
    "\n",
    "x\u0085\u0085y \u00a0\u00a0z \u180e\u180eq \u200b\u200bw \u2028\u2028v",
    "\u3000\u3000ideographic \u1680 \u202f \u205f \ufeff",
    "\u001c\u001d\u001e\u001f \u000b\u000c",
    "naïve café Ünïcödé ЖЗИ שלום 你好世界 こんにちは ①²½ ௧௨",
    "e\u0301 combining \u0300 a\u200db",
    "😀👩‍👩‍👧‍👦 🇫🇷",
    EOS,
    EOS + EOS + "x" + EOS,
    " " + EOS + " x",
    "a " + EOS + "\n\n" + EOS + "b",
    "<|endoftext|",
    "<|endof<|endoftext|>text|>",
    "<<|endoftext|>>",
    "def horse(self, doll, boy):\n    \"\"\"home\n\n    :param doll: sweet",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "thethethethethethe" * 20,
    "= = == === --- ... !!! ?!?! #$%^&*()",
    "Monday Tuesday Wednesday one two three A B C a b c",
]

PARTS = list("abcdeinorstT'  0123456789.,!-\n\t\r") + [
    "'s", "'re", "'ll", "'LL", "  ", "the", " and", " Lily", "\u00a0",
    "\u0085", "\u2009", "\u3000", "\u180e", "é", "Ж", "你", "٣", "½", "😀",
    "\u0301", "\ufffd", "\U0010ffff", EOS, "<|", "|>", "\u001f", "\u007f",
]


def random_text(rng):
    return "".join(rng.choice(PARTS) for _ in range(rng.randrange(1, 60)))


def main():
    folder = HERE.parent.parent / "examples" / "tiny-gpt2"
    tokenizer = GPT2Tokenizer.from_pretrained(str(folder))
    rng = random.Random(1)
    texts = CHOSEN + [random_text(rng) for _ in range(400)]
    rows = [{"text": t, "ids": tokenizer.encode(t)} for t in texts]
    with open(HERE / "tokenizer.json", "w", encoding="ascii") as f:
        f.write("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")


if __name__ == "__main__":
    main()
