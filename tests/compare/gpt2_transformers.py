#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the forward pass against Hugging Face's GPT2LMHeadModel.

    python3 tests/compare/gpt2_transformers.py --write tests/golden/gpt2
    python3 tests/compare/gpt2_transformers.py --check build [--configs 40]

Both make random GPT-2s: every weight is drawn, biases and layer norms too, and
wide enough that attention is far from even. transformers runs them in float64
on the weights as the files hold them, eager attention, and what it finds goes
beside the model as golden.safetensors: ids, z (layers, t, d), pattern (layers,
heads, t, t), logits (t, vocab).

--write makes the small ones that tests/unit/test_gpt2_golden.c reads in every
run; --check makes many larger ones in a folder of its own and has that same
test read them. Needs torch, transformers, safetensors (written with torch
2.13.0, transformers 5.24.0).
"""
import argparse
import os
import pathlib
import random
import shutil
import subprocess
import tempfile

import torch
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel

TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}

# Odd head sizes, one head, heads of one value; contexts that are no multiple of
# the block of queries (32) and longer than it.
SMALL = {
    "plain": dict(n_layer=2, n_embd=24, n_head=3, vocab_size=61,
                  n_positions=20),
    "untied_gelu_bf16": dict(n_layer=2, n_embd=21, n_head=3, n_inner=40,
                             vocab_size=50, n_positions=33, dtype="bf16",
                             activation_function="gelu",
                             tie_word_embeddings=False),
    "relu_f16": dict(n_layer=1, n_embd=13, n_head=1, vocab_size=40,
                     n_positions=17, dtype="f16", activation_function="relu"),
    "sharded_untied": dict(n_layer=3, n_embd=20, n_head=4, n_inner=17,
                           vocab_size=30, n_positions=12, shard="6KB",
                           layer_norm_epsilon=1e-3,
                           tie_word_embeddings=False),
    "narrow_long": dict(n_layer=2, n_embd=2, n_head=2, vocab_size=70,
                        n_positions=70),
}


def random_config(rng):
    heads = rng.choice([1, 2, 3, 5, 8, 12])
    config = dict(n_layer=rng.randint(1, 6), n_head=heads,
                  n_embd=heads * rng.choice([1, 3, 7, 16, 31, 64]),
                  vocab_size=rng.randint(20, 3000),
                  n_positions=rng.randint(1, 300),
                  dtype=rng.choice(list(TYPES)),
                  activation_function=rng.choice(["gelu_new", "gelu", "relu"]),
                  tie_word_embeddings=rng.random() < 0.5)
    if rng.random() < 0.5:
        config["n_inner"] = rng.randint(1, 500)
    if rng.random() < 0.5:
        config["shard"] = rng.choice(["50KB", "300KB"])
    return config


def make_model(settings, seed):
    torch.manual_seed(seed)
    config = GPT2Config(**settings, attn_implementation="eager",
                        bos_token_id=0, eos_token_id=0)
    model = GPT2LMHeadModel(config).eval()
    width = settings["n_embd"] ** 0.5
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.normal_()
            if "ln_" in name and name.endswith("weight"):
                weight.mul_(0.3).add_(1)
            elif weight.dim() == 1:
                weight.mul_(0.3)
            elif "wte" in name or "wpe" in name or "lm_head" in name:
                weight.mul_(0.5)
            else:
                weight.mul_(1.5 / width)
    return model


def run(model, ids):
    """z, pattern, logits of one context, by GPT2LMHeadModel in float64."""
    model = model.double()
    z, hooks = [], []
    for block in model.transformer.h:
        hooks.append(block.attn.c_proj.register_forward_pre_hook(
            lambda module, inputs: z.append(inputs[0][0])))
    with torch.no_grad():
        out = model(ids[None], output_attentions=True, use_cache=False)
    for hook in hooks:
        hook.remove()
    return {"ids": ids.int(), "z": torch.stack(z).float(),
            "pattern": torch.cat(out.attentions).float(),
            "logits": out.logits[0].float()}


def write(folder, settings, seed):
    settings = dict(settings)
    dtype = TYPES[settings.pop("dtype", "f32")]
    shard = settings.pop("shard", "1GB")
    shutil.rmtree(folder, ignore_errors=True)
    model = make_model(settings, seed).to(dtype)
    model.save_pretrained(folder, max_shard_size=shard)
    (folder / "generation_config.json").unlink(missing_ok=True)
    ids = torch.randint(settings["vocab_size"], (settings["n_positions"],))
    golden = run(model, ids)
    save_file({k: v.contiguous() for k, v in golden.items()},
              folder / "golden.safetensors")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--check", type=pathlib.Path, metavar="BUILD")
    parser.add_argument("--configs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.write:
        for seed, (name, settings) in enumerate(SMALL.items()):
            write(args.write / name, settings, seed)
    if args.check:
        rng = random.Random(args.seed)
        with tempfile.TemporaryDirectory() as folder:
            for i in range(args.configs):
                settings = random_config(rng)
                print(i, settings, flush=True)
                write(pathlib.Path(folder) / str(i), settings, i)
            subprocess.run(
                [args.check.resolve() / "tests" / "test_gpt2_golden"],
                env=dict(os.environ, GPT2_GOLDEN=folder), check=True)


if __name__ == "__main__":
    main()
