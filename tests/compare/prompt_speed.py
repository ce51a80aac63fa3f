#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times `headscope prompt`: a prompt of 60 tokens, features and DFA of all layers.

    prompt_speed.py HEADSCOPE examples/tiny-gpt2 SAE...
    prompt_speed.py HEADSCOPE --random FOLDER [--layers 12]

--random makes, once, a GPT-2 of 124M parameters and an SAE of 24,576 features
for each layer in FOLDER (2.3 GB), with random weights and TopK 32; needs torch and
transformers. What is timed is a server's work for a new text: the forward pass,
features, the next token, the logit's parts, features with head and source by
token and one feature by head and source, without reading model and SAEs. The
medians of --repeats runs are printed, and processor time, which neighbours
hardly move. OPENBLAS_* variables are removed.
"""
import argparse
import json
import os
import pathlib
import subprocess

TEXT = ("Once upon a time, there was a little girl named Lily. She liked to play "
        "in the park with her friend Ben. One day, they saw a big red ball near "
        "the pond. Lily wanted to play with it, but Ben said that it was not "
        "theirs. They looked for the boy who had lost it and gave it back. ")


def write_safetensors(path, tensors):
    header, at = {}, 0
    for name, x in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(x.shape),
                        "data_offsets": [at, at + x.nbytes]}
        at += x.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for x in tensors.values():
            f.write(x.tobytes())


def make_sae(folder, layer, d, m):
    import numpy
    rng = numpy.random.default_rng(layer)
    folder.mkdir(exist_ok=True)
    dec = rng.standard_normal((m, d), dtype=numpy.float32)
    dec /= numpy.linalg.norm(dec, axis=1, keepdims=True)
    write_safetensors(folder / "sae_weights.safetensors", {
        "W_dec": dec, "W_enc": numpy.ascontiguousarray(dec.T),
        "b_dec": numpy.zeros(d, numpy.float32),
        "b_enc": numpy.zeros(m, numpy.float32)})
    (folder / "cfg.json").write_text(json.dumps({
        "architecture": "topk", "d_in": d, "d_sae": m, "k": 32,
        "dtype": "float32", "apply_b_dec_to_input": True,
        "normalize_activations": "none", "reshape_activations": "none",
        "rescale_acts_by_decoder_norm": False,
        "metadata": {"sae_lens_version": "6.0.0",
                     "hook_name": f"blocks.{layer}.attn.hook_z"}}))


def make_random(folder, layers):
    import torch
    from capture_transformers import write_folder
    from transformers import GPT2Config, GPT2Model
    folder.mkdir(exist_ok=True)
    if not (folder / "config.json").exists():
        torch.manual_seed(1)
        write_folder(folder, GPT2Model(GPT2Config()))
    saes = [folder / f"layer{l}.sae" for l in range(layers)]
    for l, sae in enumerate(saes):
        if not (sae / "cfg.json").exists():
            make_sae(sae, l, 768, 24576)
    return folder, saes


def ask(args, model, saes, text, *options):
    env = {k: v for k, v in os.environ.items()
           if not k.startswith("OPENBLAS_")}
    out = subprocess.run(
        [args.headscope, "prompt", model, *saes, text, "--json", "--quiet",
         "--threads", str(args.threads), *options],
        env=env, check=True, stdout=subprocess.PIPE)
    return json.loads(out.stdout)


def cut_to(args, model, tokens):
    """A text of so many tokens, BOS included."""
    text = TEXT * tokens
    found = ask(args, model, [], text[:4 * tokens])["tokens"]
    while len(found) > tokens:
        text = "".join(t["text"] for t in found[1:tokens])
        found = ask(args, model, [], text)["tokens"]
    assert len(found) == tokens, len(found)
    return text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("headscope", type=lambda p: str(
        pathlib.Path(p).resolve()))
    parser.add_argument("model", nargs="?")
    parser.add_argument("sae", nargs="*")
    parser.add_argument("--random", type=pathlib.Path)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    model, saes = (make_random(args.random, args.layers) if args.random
                   else (args.model, args.sae))
    text = cut_to(args, model, args.tokens)
    found = ask(args, model, saes, text, "--repeats", str(args.repeats),
                "--features", "1k", "--feature",
                f"L{args.layers - 1 if args.random else 0}F1@-1")
    s = found["seconds"]
    print(f"{len(found['tokens'])} tokens, {len(found['saes'])} SAEs, "
          f"{found['features']['active']} active: pass and features "
          f"{1e3 * s['run']:.1f} ms, questions {1e3 * s['questions']:.1f} ms, "
          f"together {1e3 * (s['run'] + s['questions']):.1f} ms; "
          f"{1e3 * s['processor']:.1f} ms of processor time "
          f"(load {os.getloadavg()[0]:.1f})")


if __name__ == "__main__":
    main()
