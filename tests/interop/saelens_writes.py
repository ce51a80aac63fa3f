"""Encodes SAEs that SAELens itself wrote, and compares with its codes.

    python3 tests/interop/saelens_writes.py HEADSCOPE DUMP LAYER

For a layer of DUMP, SAELens makes SAEs of random weights and saves them with
save_model: every architecture that headscope takes, each in float32, float16
and bfloat16, with and without apply_b_dec_to_input, topk also with
rescale_acts_by_decoder_norm. HEADSCOPE encodes them, and saelens_loads.py
compares. What headscope does not take must be refused by name. Needs sae-lens
(>= 6), torch, numpy; works in a temporary folder.
"""
import itertools
import pathlib
import sqlite3
import subprocess
import sys
import tempfile

import sae_lens
import torch
from sae_lens.saes import sae as base

sys.path.append(str(pathlib.Path(__file__).parent))
from headscope_files import read_layer  # noqa: E402
from saelens_loads import check  # noqa: E402

FEATURES, K = 512, 24
CONFIGS = {
    "standard": (sae_lens.StandardSAE, sae_lens.StandardSAEConfig, {}),
    "topk": (sae_lens.TopKSAE, sae_lens.TopKSAEConfig, {"k": K}),
    "topk-norms": (sae_lens.TopKSAE, sae_lens.TopKSAEConfig,
                   {"k": K, "rescale_acts_by_decoder_norm": True}),
    "jumprelu": (sae_lens.JumpReLUSAE, sae_lens.JumpReLUSAEConfig, {}),
    "gated": (sae_lens.GatedSAE, sae_lens.GatedSAEConfig, {}),
}


def make(kind, dtype, subtract, layer, z):
    """Random weights with about K of the features active; b_dec is near the
    mean of z, so that not subtracting it matters."""
    cls, config, more = CONFIGS[kind]
    x = torch.from_numpy(z.reshape(len(z), -1))
    d = x.shape[1]
    metadata = base.SAEMetadata(hook_name=f"blocks.{layer}.attn.hook_z",
                                model_name="any")
    sae = cls(config(d_in=d, d_sae=FEATURES, dtype=dtype,
                     apply_b_dec_to_input=subtract,
                     reshape_activations="hook_z", metadata=metadata, **more))
    centre = x.mean(0) if subtract else torch.zeros(d)
    spread = (x - centre).norm(dim=1).mean()
    with torch.no_grad():
        for name, value in sae.named_parameters():
            random = torch.randn(value.shape) * (
                spread / d ** 0.5 if value.shape == (FEATURES, d) else 1)
            if name == "W_enc":
                random *= 3 / spread
            if name == "b_dec":
                random = x.mean(0) + 0.1 * x.std() * random
            if name in ("b_enc", "b_gate"):
                random = random - 4
            if name == "threshold":
                random = random.abs()
            if name == "r_mag":
                random *= 0.5
            value.copy_(random)
    return sae


REFUSED = {
    "'transcoder' is not one of": lambda: sae_lens.Transcoder(
        sae_lens.TranscoderConfig(d_in=16, d_sae=32, d_out=16,
                                  apply_b_dec_to_input=False)),
    "'matching_pursuit' is not one of": lambda: sae_lens.MatchingPursuitSAE(
        sae_lens.MatchingPursuitSAEConfig(d_in=16, d_sae=32)),
    "'abstopk' is not one of": lambda: sae_lens.AbsTopKSAE(
        sae_lens.AbsTopKSAEConfig(d_in=16, d_sae=32, k=2)),
    "normalize_activations 'layer_norm'": lambda: sae_lens.StandardSAE(
        sae_lens.StandardSAEConfig(d_in=16, d_sae=32,
                                   normalize_activations="layer_norm")),
    "takes head 3 alone (hook_head_index)": lambda: sae_lens.StandardSAE(
        sae_lens.StandardSAEConfig(
            d_in=16, d_sae=32,
            metadata=base.SAEMetadata(hook_name="blocks.0.attn.hook_z",
                                      hook_head_index=3))),
}


def check_refusals(headscope, dump, work):
    for i, (words, make_sae) in enumerate(REFUSED.items()):
        folder = work / f"refused{i}.sae"
        make_sae().save_model(folder)
        done = subprocess.run([headscope, "encode", dump, folder, "-q", "-o",
                               work / "refused.db"], capture_output=True,
                              text=True)
        assert done.returncode == 2 and words in done.stderr, done.stderr
        print("refused:", done.stderr.strip().split(": ", 2)[-1])


def main():
    headscope, dump, layer = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.manual_seed(1)
    z = read_layer(dump, layer)
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        folders = []
        for kind, dtype, subtract in itertools.product(
                CONFIGS, ("float32", "float16", "bfloat16"), (True, False)):
            folders.append(work / (f"{kind}-{dtype}"
                                   f"{'' if subtract else '-raw'}.sae"))
            make(kind, dtype, subtract, layer, z).save_model(folders[-1])
        subprocess.run([headscope, "encode", dump, *folders, "-q", "-o",
                        work / "codes.db"], check=True,
                       stdout=subprocess.DEVNULL)
        db = sqlite3.connect(work / "codes.db")
        for folder in folders:
            print(check(db, dump, folder), flush=True)
        check_refusals(headscope, dump, work)


if __name__ == "__main__":
    main()
