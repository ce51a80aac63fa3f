#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times the forward pass of `headscope capture` beside transformers' GPT2Model.

    python3 tests/compare/capture_transformers.py build/headscope
    python3 tests/compare/capture_transformers.py build/headscope \\
        --contexts 1024 --repeats 9 --threads 1
    python3 tests/compare/capture_transformers.py build/headscope --cpu-time

Both run a random GPT-2 of 124M parameters (12 layers, 12 heads of 64, 50,257
tokens) in float32 on the same number of threads, in alternation; the median of
the repeats and its ratio are printed. transformers runs without the LM head, in
inference mode, without a cache, on batches of --rows tokens, with sdpa and with
eager attention; the faster of the two counts. headscope runs --dry-run, which
times the pass as capture makes it, z of all layers kept; --write times whole
captures, with files written and flushed, instead.

headscope ends with the last layer's z, transformers with the last layer's MLP:
6 % of the multiplications. --full-layers lowers headscope's rate by that share.

Threads of OpenMP wait for each other, so with neighbours on the cores two
threads of transformers lose much more than two of headscope: such a ratio says
little, and the load is printed for that. --cpu-time compares the seconds of
processor time of one thread each, which neighbours hardly move: of headscope
those that whole captures of --tokens take more than of a fifth of them, which
takes starting and loading out and leaves tokenizing and writing in.

OPENBLAS_* variables are removed for headscope. Needs torch and transformers
(figures in docs/performance.md: torch 2.13.0, transformers 5.24.0).
"""
import argparse
import json
import os
import pathlib
import random
import resource
import statistics
import subprocess
import tempfile
import time

import torch
from transformers import GPT2Config, GPT2Model

EOS = "<|endoftext|>"


def byte_names():
    """vocab.json's spelling of the 256 bytes."""
    seen = [b for b in range(256)
            if 0x21 <= b <= 0x7e or (0xa1 <= b and b != 0xad)]
    hidden = iter(range(256, 512))
    return [chr(b) if b in seen else chr(next(hidden)) for b in range(256)]


def write_folder(folder, model):
    model.save_pretrained(folder)
    vocab = {name: i for i, name in enumerate(byte_names())}
    vocab[EOS] = len(vocab)
    (folder / "vocab.json").write_text(json.dumps(vocab))
    (folder / "merges.txt").write_text("#version: 0.2\n")


def run_headscope(args, folder, text, context, *options):
    """What it reports, and the processor's seconds that it took."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith("OPENBLAS_")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run(
        [args.headscope.resolve(), "capture", folder, "--text", text,
         "--context", str(context), "--bos", "never", "--pack", "--threads",
         str(args.threads), "--json", "--quiet", "--force", "-o",
         folder / "out.dump", *options],
        env=env, check=True, stdout=subprocess.PIPE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return json.loads(out.stdout), (after.ru_utime - before.ru_utime +
                                    after.ru_stime - before.ru_stime)


def headscope_rate(args, *where):
    if args.cpu_time:
        few = args.tokens // 5
        (less, little), (more, much) = (
            run_headscope(args, *where, "--tokens", str(n))
            for n in (few, args.tokens))
        return (more["tokens"] - less["tokens"]) / (much - little)
    report, _ = run_headscope(args, *where,
                              *([] if args.write else ["--dry-run"]))
    return report["tokens_per_second"]


def transformers_rate(args, model, context):
    clock = time.process_time if args.cpu_time else time.perf_counter
    ids = torch.randint(256, (max(1, args.rows // context), context))
    with torch.inference_mode():
        begin = clock()
        model(ids, use_cache=False)
        return ids.numel() / (clock() - begin)


def share_left_out(config, context):
    """The last layer's output projection and MLP as a share of the pass."""
    d = config.n_embd
    layer = 12 * d * d + context * d  # keys and values, half of them masked
    return 9 * d * d / (config.n_layer * layer)


def compare(args, folder, context):
    config = GPT2Config()
    text = folder / "text.txt"
    rng = random.Random(1)
    text.write_text("".join(rng.choices("abcdefgh ijkl mnop\n", k=args.tokens)))
    models = {}
    for attention in ("sdpa", "eager"):
        torch.manual_seed(1)
        models[attention] = GPT2Model(
            GPT2Config(attn_implementation=attention)).eval()
    write_folder(folder, models["sdpa"])
    rates = {"headscope": [], "sdpa": [], "eager": []}
    for i in range(args.repeats + 1):
        found = {"headscope": headscope_rate(args, folder, text, context)}
        for name, model in models.items():
            found[name] = transformers_rate(args, model, context)
        for name, rate in found.items():
            if i > 0:  # the first warms caches and allocators
                rates[name].append(rate)
    median = {k: statistics.median(v) for k, v in rates.items()}
    best = max(median["sdpa"], median["eager"])
    ours = median["headscope"]
    if args.full_layers:
        ours *= 1 - share_left_out(config, context)
    print(f"context {context}: headscope {ours:.0f} tokens/s, transformers "
          f"sdpa {median['sdpa']:.0f}, eager {median['eager']:.0f}; ratio "
          f"{ours / best:.2f} (load {os.getloadavg()[0]:.1f})", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("headscope", type=pathlib.Path)
    parser.add_argument("--contexts", default="1024,128")
    parser.add_argument("--rows", type=int, default=4096,
                        help="tokens of a batch of transformers")
    parser.add_argument("--tokens", type=int, default=16384)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--full-layers", action="store_true")
    parser.add_argument("--cpu-time", action="store_true")
    args = parser.parse_args()
    if args.cpu_time:
        args.threads = 1
    torch.set_num_threads(args.threads)
    for context in args.contexts.split(","):
        with tempfile.TemporaryDirectory() as folder:
            compare(args, pathlib.Path(folder), int(context))


if __name__ == "__main__":
    main()
