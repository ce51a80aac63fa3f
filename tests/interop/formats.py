"""Carries SAEs between headscope and the libraries whose files it reads.

    python3 tests/interop/formats.py HEADSCOPE

Of random SAEs, in a temporary folder:

theirs: each library saves an SAE of each of its classes, `headscope export
--format saelens` converts it, and the formula in float64 of what was written
(headscope_files.py) must give the library's codes and reconstructions.
ours: SAELens folders of each architecture, both settings of
apply_b_dec_to_input, go through `headscope export` to every format that can
carry them; the library loads what was written and must give the codes and
reconstructions of the original.

All within 1e-4, up to codes that are that near to the border between on and
off. Libraries: sae-lens, eai-sparsify, dictionary-learning (its imports of
nnsight, datasets and zstandard are not needed for this and are left empty);
what is not installed is skipped and said. Gemma Scope's and Kissane's SAEs have
no library of their own: their forward passes are written out below. Needs
torch, numpy, safetensors.
"""
import importlib
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import types

import numpy as np
import torch
from safetensors.torch import save_file

sys.path.append(str(pathlib.Path(__file__).parent))
from headscope_files import Sae  # noqa: E402

os.environ["SPARSIFY_DISABLE_TRITON"] = "1"  # there may be no GPU

TOLERANCE = 1e-4
D, M, K, ROWS = 48, 160, 12, 400
HOOK = "blocks.3.attn.hook_z"
HEADSCOPE = sys.argv[1] if len(sys.argv) > 1 else "headscope"


def installed(name):
    return importlib.util.find_spec(name) is not None


def dictionaries():
    """dictionary_learning, without what it needs for language models."""
    if not installed("dictionary_learning"):
        return None
    for name, members in (("datasets", ["load_dataset"]), ("zstandard", []),
                          ("nnsight", ["LanguageModel"])):
        try:
            importlib.import_module(name)
        except ImportError:
            module = types.ModuleType(name)
            for member in members:
                setattr(module, member, object)
            sys.modules[name] = module
    from dictionary_learning import dictionary, utils
    return dictionary, utils


def export(source, form, out):
    done = subprocess.run([HEADSCOPE, "export", source, "--format", form, "-o",
                           out, "-q"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def compare(name, x, own, codes, reconstruction):
    """A library's codes and reconstruction with those of `own`, a folder of
    SAELens' form; a code near the border may be on in one alone."""
    want, margin = own.encode(x)
    clear = (np.abs(margin) > TOLERANCE).all(axis=1)
    assert clear.mean() > 0.8 and (want > 0).mean() > 0.01, name
    codes, want = codes[clear], want[clear]
    assert ((codes > 0) == (want > 0)).all(), name
    off = np.abs(codes - want) / np.maximum(1, want)
    far = np.abs(reconstruction[clear] - (want @ own.w_dec + own.b_dec))
    assert off.max() <= TOLERANCE and far.max() <= TOLERANCE, (
        name, off.max(), far.max())
    print(f"{name}: {int((want > 0).sum())} codes and {len(want)} rows agree; "
          f"largest differences {off.max():.1e} and {far.max():.1e}",
          flush=True)


def random_weights(seed):
    g = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=g)
    w_dec = normal(M, D)
    return {"W_enc": normal(D, M) / D ** 0.5, "b_enc": normal(M) * 0.2 - 0.8,
            "W_dec": w_dec / w_dec.norm(dim=1, keepdim=True),
            "b_dec": normal(D) * 0.5,
            "threshold": normal(M).abs() * 0.3,
            "b_gate": normal(M) * 0.3 - 0.8, "b_mag": normal(M) * 0.3,
            "r_mag": normal(M) * 0.3}


# ---- forward passes: codes and reconstruction of x -------------------------

def gemma_scope(path, x):
    """The JumpReLUSAE of Gemma Scope's tutorial."""
    p = {k: torch.from_numpy(v)
         for k, v in np.load(path / "params.npz").items()}
    h = x @ p["W_enc"] + p["b_enc"]
    f = (h > p["threshold"]) * torch.relu(h)
    return f, f @ p["W_dec"] + p["b_dec"]


def kissane(path, x):
    """AutoEncoder.forward of attention-output-saes."""
    (config,) = path.glob("*_cfg.json")
    assert json.loads(config.read_text())["act_name"] == HOOK
    p = torch.load(str(config).replace("_cfg.json", ".pt"))
    f = torch.relu((x - p["b_dec"]) @ p["W_enc"] + p["b_enc"])
    return f, f @ p["W_dec"] + p["b_dec"]


def dictionary_learning(path, x):
    ae, _ = dictionaries()[1].load_dictionary(str(path), "cpu")
    f = ae.encode(x)
    return f, ae.decode(f)


def sparsify(path, x):
    from sparsify import SparseCoder
    sae = SparseCoder.load_from_disk(path)
    top = sae.encode(x)
    f = torch.zeros(len(x), M).scatter_(1, top.top_indices, top.top_acts)
    return f, sae.decode(top.top_acts, top.top_indices)


def saelens(path, x):
    from sae_lens import SAE
    sae = SAE.load_from_disk(str(path))
    f = sae.encode(x.reshape(len(x), 4, D // 4))
    return f, sae.decode(f).reshape(len(x), D)


LIBRARIES = {"saelens": (saelens, "sae_lens"),
             "sparsify": (sparsify, "sparsify"),
             "dictionary_learning": (dictionary_learning,
                                     "dictionary_learning"),
             "gemma_scope": (gemma_scope, "numpy"),
             "kissane": (kissane, "torch")}


# ---- theirs ----------------------------------------------------------------

def write_dictionary(folder, name, ae, **more):
    folder.mkdir()
    torch.save(ae.state_dict(), folder / "ae.pt")
    trainer = {"dict_class": name, "layer": 3, "lm_name": "any", **more}
    (folder / "config.json").write_text(json.dumps({"trainer": trainer,
                                                    "buffer": {}}))


def their_dictionaries(work, w):
    if dictionaries() is None:
        return print("skipped: dictionary_learning is not installed")
    d, utils = dictionaries()
    classes = {
        "AutoEncoder": d.AutoEncoder(D, M),
        "AutoEncoderNew": d.AutoEncoderNew(D, M),
        "GatedAutoEncoder": d.GatedAutoEncoder(D, M),
        "JumpReluAutoEncoder": d.JumpReluAutoEncoder(D, M),
        "AutoEncoderTopK": utils.AutoEncoderTopK(D, M, K),
        "BatchTopKSAE": utils.BatchTopKSAE(D, M, K),
        "MatryoshkaBatchTopKSAE": utils.MatryoshkaBatchTopKSAE(
            D, M, K, [M // 4, M // 4, M // 2]),
    }
    ours = {"encoder.weight": w["W_enc"].T, "encoder.bias": w["b_enc"],
            "decoder.weight": w["W_dec"].T * 1.3, "bias": w["b_dec"],
            "decoder.bias": w["b_dec"], "decoder_bias": w["b_dec"],
            "gate_bias": w["b_gate"], "mag_bias": w["b_mag"]}
    for name, ae in classes.items():
        with torch.no_grad():
            for key, value in [*ae.named_parameters(), *ae.named_buffers()]:
                new = ours.get(key, w.get(key))
                if key == "threshold" and value.dim() == 0:
                    new = torch.tensor(0.25)
                if new is not None:
                    value.copy_(new)
        k = {"k": K} if "TopK" in name else {}
        write_dictionary(work / f"{name}.their", name, ae, **k)
        yield "dictionary_learning", work / f"{name}.their"
    half = classes["BatchTopKSAE"].to(torch.bfloat16)
    write_dictionary(work / "bf16.their", "BatchTopKSAE", half, k=K)
    yield "dictionary_learning", work / "bf16.their"


def their_others(work, w):
    arrays = {k: w[k].numpy() for k in
              ("W_enc", "W_dec", "b_enc", "b_dec", "threshold")}
    for name, save in (("stored", np.savez), ("packed", np.savez_compressed)):
        folder = work / f"layer_3/{name}.their"
        folder.mkdir(parents=True)
        save(folder / "params.npz", **arrays)
        yield "gemma_scope", folder
    folder = work / "kissane.their"
    folder.mkdir()
    torch.save({k: torch.nn.Parameter(w[k])
                for k in ("W_enc", "b_enc", "W_dec", "b_dec")},
               folder / "gpt2_L3.pt")
    (folder / "gpt2_L3_cfg.json").write_text(json.dumps(
        {"act_name": HOOK, "act_size": D, "dict_size": M, "l1_coeff": 0.5}))
    yield "kissane", folder
    if not installed("sparsify"):
        return print("skipped: sparsify is not installed")
    from sparsify import SparseCoder, SparseCoderConfig
    sae = SparseCoder(D, SparseCoderConfig(num_latents=M, k=K))
    with torch.no_grad():
        sae.encoder.weight.copy_(w["W_enc"].T)
        sae.encoder.bias.copy_(w["b_enc"])
        sae.W_dec.copy_(w["W_dec"])
        sae.b_dec.copy_(w["b_dec"])
    sae.save_to_disk(work / "sparsify.their")
    yield "sparsify", work / "sparsify.their"


# ---- ours ------------------------------------------------------------------

NAMES = {"standard": [], "topk": [], "jumprelu": ["threshold"],
         "gated": ["b_gate", "b_mag", "r_mag"]}
CARRY = {"standard": ["saelens", "dictionary_learning", "gemma_scope",
                      "kissane"],
         "topk": ["saelens", "sparsify", "dictionary_learning"],
         "jumprelu": ["saelens", "dictionary_learning", "gemma_scope"],
         "gated": ["saelens", "dictionary_learning", "gemma_scope"]}


def write_saelens(folder, architecture, subtract, w):
    folder.mkdir()
    names = ["W_enc", "W_dec", "b_dec"] + NAMES[architecture]
    if architecture != "gated":
        names.append("b_enc")
    save_file({k: w[k].contiguous() for k in names},
              folder / "sae_weights.safetensors")
    cfg = {"architecture": architecture, "d_in": D, "d_sae": M,
           "dtype": "float32", "device": "cpu",
           "apply_b_dec_to_input": subtract, "normalize_activations": "none",
           "reshape_activations": "hook_z",
           "metadata": {"sae_lens_version": "6.18.0", "hook_name": HOOK,
                        "model_name": "any"}}
    if architecture == "topk":
        cfg |= {"k": K, "rescale_acts_by_decoder_norm": False}
    (folder / "cfg.json").write_text(json.dumps(cfg))


def check_ours(work, w, x):
    for architecture, formats in CARRY.items():
        for subtract in (True, False):
            name = f"{architecture}{'' if subtract else '-raw'}"
            source = work / f"{name}.sae"
            write_saelens(source, architecture, subtract, w)
            for form, (forward, module) in LIBRARIES.items():
                if form not in formats:
                    done = subprocess.run(
                        [HEADSCOPE, "export", source, "--format", form, "-o",
                         work / "none"], capture_output=True, text=True)
                    assert done.returncode == 2, done
                    assert "cannot hold; these can: " in done.stderr
                    continue
                out = export(source, form, work / f"{name}.{form}")
                if not installed(module):
                    continue
                with torch.no_grad():
                    codes, xhat = forward(out, x)
                compare(f"ours {name} in {form}", x.numpy(), Sae(source),
                        codes.numpy(), xhat.numpy())


def check_theirs(work, w, x):
    for make in (their_dictionaries, their_others):
        for form, folder in make(work, w):
            out = export(folder, "saelens", folder.with_suffix(".read"))
            own = Sae(out)
            if form in ("dictionary_learning", "gemma_scope", "kissane"):
                assert own.cfg["metadata"]["hook_name"] == HOOK, own.cfg
            forward = LIBRARIES[form][0] if form != "kissane" else None
            with torch.no_grad():
                codes, xhat = (forward or kissane)(folder, x)
            compare(f"theirs {folder.stem} of {form}", x.numpy(), own,
                    codes.float().numpy(), xhat.float().numpy())


def main():
    w = random_weights(1)
    x = torch.randn(ROWS, D, generator=torch.Generator().manual_seed(2))
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        check_theirs(work, w, x)
        check_ours(work, w, x)
    for form, (_, module) in LIBRARIES.items():
        if not installed(module):
            print(f"skipped: {form}, {module} is not installed")


if __name__ == "__main__":
    main()
