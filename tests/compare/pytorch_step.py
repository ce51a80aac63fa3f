"""Times one complete SAE training step in PyTorch beside `headscope bench`.

    python3 tests/compare/pytorch_step.py
    python3 tests/compare/pytorch_step.py --d 2048 --m 16384 --k 64
    python3 tests/compare/pytorch_step.py --variants fp32,bf16 --json

A step is that of train/step.h: BatchTopK, AuxK with a given share of dead
features, backward, projection of the decoder's gradient, clipping, Adam, unit
decoder rows; data are random. `headscope bench` runs before and after the
PyTorch variants, the mean of both stands in the table. Variants:

    fp32, fp32-compiled, bf16, bf16-compiled
        dense autograd, as most trainers write it, eager or with
        torch.compile of forward and loss; bf16 is autocast
    fp32-sparse, bf16-sparse
        headscope's own algorithm as far as PyTorch's operators go: of the
        main loss only the encoder's product is dense. No trainer does all of
        it; EleutherAI's sparsify, with per-row TopK, comes nearest

Where trainers differ, PyTorch gets the faster way. Adam is the fused one; the
codes of AuxK are as wide as there are dead features, not m; relu comes after
the selection, on the selected values; b_dec's gradient through the encoder is
summed over rows before it is multiplied by W_enc, which saves the sixth dense
product; malloc keeps freed memory, else every step faults its gigabytes in
again (variables of malloc that are set already stand). AuxK takes all rows, as
trainers do; headscope takes a part of them, another each step (train/auxk.h),
unless --aux-rows 1 makes it take all too.

Every variant starts from the same weights and rows, so the losses printed must
agree. Each runs in a process of its own; one that fails or is killed is
reported. The column "others" says how many cores other programs kept busy
meanwhile: threads of OpenMP wait for each other, so a single busy neighbour can
make a step many times slower, and then the figures are worth nothing. Needs
torch; torch.compile needs a C++ compiler.
"""
import argparse
import concurrent.futures
import json
import math
import multiprocessing
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

VARIANTS = ("fp32", "fp32-compiled", "bf16", "bf16-compiled", "fp32-sparse",
            "bf16-sparse")
WARM_UP = 2
ALPHA = 1 / 32
RATE = 2e-4
# Read by glibc when a process starts: no block goes back to the system, blocks
# are of huge pages. Halves a bf16 step.
MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
          "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


class Sae(torch.nn.Module):
    def __init__(self, d, m):
        super().__init__()
        w = F.normalize(torch.randn(m, d), dim=1)
        self.W_dec = torch.nn.Parameter(w)
        self.W_enc = torch.nn.Parameter(w.clone())
        self.b_enc = torch.nn.Parameter(torch.zeros(m))
        self.b_dec = torch.nn.Parameter(torch.zeros(d))

    def encoder_bias(self):
        """b_enc in value; carries the gradient of b_dec through x - b_dec,
        which is -W_enc' times that of b_enc. mv is not autocast."""
        zero = self.b_dec - self.b_dec.detach()
        return self.b_enc - torch.mv(self.W_enc.detach(), zero)


def auxk(sae, h, dead, error):
    """h (n, dead): pre-activations of the dead features; error = x_hat - x,
    held constant."""
    d = error.shape[1]
    top = torch.topk(h, min(len(dead), d // 2), dim=1, sorted=False)
    a = torch.zeros_like(h).scatter(1, top.indices, top.values.relu())
    r = -error
    r_hat = a @ sae.W_dec.index_select(0, dead)
    share = min(1, len(dead) / (d // 2))
    return (ALPHA * d * share * ((r_hat - r) ** 2).sum()
            / ((r - r.mean(0)) ** 2).sum())


def losses(sae, x, x_hat, h_dead, dead):
    error = x_hat - x
    loss = (error ** 2).sum(1).mean()
    if len(dead) == 0:
        return loss, loss
    return loss, loss + auxk(sae, h_dead, dead, error.detach())


def dense_forward(sae, x, k, dead):
    """Returns loss, loss with AuxK, and the features that were active."""
    h = F.linear(x - sae.b_dec.detach(), sae.W_enc, sae.encoder_bias())
    flat = h.flatten()
    top = torch.topk(flat, k * len(x), sorted=False)
    f = torch.zeros_like(flat).scatter(0, top.indices, top.values.relu())
    x_hat = f.view_as(h) @ sae.W_dec + sae.b_dec
    return (*losses(sae, x, x_hat, h.index_select(1, dead), dead),
            top.indices % h.shape[1])


def sum_rows(source, rows, weights, groups, count):
    """out[groups[i]] += weights[i] * source[rows[i]], out of `count` rows."""
    groups, order = groups.sort()
    starts = torch.searchsorted(groups, torch.arange(count))
    return F.embedding_bag(rows[order], source, starts, mode="sum",
                           per_sample_weights=weights[order])


class SparseEncoder(torch.autograd.Function):
    """The batch's largest pre-activations and those of the dead features."""
    cut = math.inf  # a little less than the smallest of the batch before

    @staticmethod
    def forward(ctx, centred, w, b, count, dead):
        h = F.linear(centred, w, b)
        flat = h.flatten()
        maybe = (flat > SparseEncoder.cut).nonzero().squeeze(1)
        if len(maybe) >= count:
            top = torch.topk(flat[maybe], count, sorted=False)
            at = maybe[top.indices]
        else:
            top = torch.topk(flat, count, sorted=False)
            at = top.indices
        SparseEncoder.cut = 0.95 * top.values.min().item()
        rows, features = at // h.shape[1], at % h.shape[1]
        ctx.save_for_backward(centred, rows, features, dead)
        ctx.m = h.shape[1]
        ctx.mark_non_differentiable(rows, features)
        return top.values.float(), rows, features, h.index_select(1, dead)

    @staticmethod
    def backward(ctx, g, _rows, _features, g_dead):
        centred, rows, features, dead = ctx.saved_tensors
        w = sum_rows(centred, rows, g, features, ctx.m)
        b = torch.zeros(ctx.m).index_add_(0, features, g)
        w.index_add_(0, dead, (g_dead.T @ centred.to(g_dead.dtype)).float())
        b.index_add_(0, dead, g_dead.sum(0).float())
        return None, w, b, None, None


def sparse_forward(sae, x, k, dead):
    values, rows, features, h_dead = SparseEncoder.apply(
        x - sae.b_dec.detach(), sae.W_enc, sae.encoder_bias(), k * len(x),
        dead)
    x_hat = sum_rows(sae.W_dec, features, values.relu(), rows, len(x))
    return (*losses(sae, x, x_hat + sae.b_dec, h_dead, dead), features)


def step(sae, forward, adam, silent, x, k, dead, bf16):
    """Returns the loss without AuxK."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss, total, active = forward(sae, x, k, dead)
    total.backward()
    with torch.no_grad():
        w, g = sae.W_dec, sae.W_dec.grad
        g.addcmul_(w, torch.linalg.vecdot(g, w).unsqueeze(1), value=-1)
        torch.nn.utils.clip_grad_norm_(sae.parameters(),
                                       math.sqrt(x.shape[1]))
        adam.step()
        adam.zero_grad(set_to_none=True)
        w /= w.norm(dim=1, keepdim=True)
        silent += len(x)
        silent[active] = 0
    return loss.item()


def busy_seconds():
    """CPU time that all programs took since the machine started."""
    with open("/proc/stat") as f:
        ticks = [int(t) for t in f.readline().split()[1:9]]
    idle = ticks[3] + ticks[4]
    return (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK")


def measure(variant, o):
    """Runs in a process of its own. o: the options."""
    if o.threads:
        torch.set_num_threads(o.threads)
    torch.manual_seed(0)
    forward = sparse_forward if "sparse" in variant else dense_forward
    if "compiled" in variant:
        forward = torch.compile(forward)
    sae = Sae(o.d, o.m)
    adam = torch.optim.Adam(sae.parameters(), lr=RATE, fused=True)
    silent = torch.zeros(o.m, dtype=torch.long)
    # The same features count as dead all the time: every step does the same.
    dead = torch.randperm(o.m)[:round(o.dead * o.m)].sort().values
    seconds, others = [], 0
    for _ in range(WARM_UP + o.steps):
        x = torch.randn(o.n, o.d)
        foreign = busy_seconds() - time.process_time()
        begun = time.perf_counter()
        loss = step(sae, forward, adam, silent, x, o.k, dead,
                    "bf16" in variant)
        seconds.append(time.perf_counter() - begun)
        if len(seconds) > WARM_UP:
            others += busy_seconds() - time.process_time() - foreign
    median = statistics.median(seconds[WARM_UP:])
    return {"ms": 1000 * median, "tokens_per_second": o.n / median,
            "seconds": seconds, "loss": loss,
            "others": max(0, others) / sum(seconds[WARM_UP:]),
            "peak_bytes": 1024 * resource.getrusage(
                resource.RUSAGE_SELF).ru_maxrss}


def measure_apart(variant, o):
    try:
        with concurrent.futures.ProcessPoolExecutor(
                1, multiprocessing.get_context("spawn")) as pool:
            result = pool.submit(measure, variant, o).result()
    except Exception as e:  # whatever it is, the other variants go on
        lines = str(e).strip().splitlines()
        result = {"error": f"{type(e).__name__}: {lines[0] if lines else ''}"}
    print(f"{variant}: " + (result.get("error") or f"{result['ms']:.0f} ms"),
          file=sys.stderr, flush=True)
    return {"variant": variant, **result}


def bench(o, environment):
    """The JSON of one `headscope bench`, or why there is none."""
    command = [o.headscope, "bench", "--json"]
    for name in ("d", "m", "k", "n", "dead", "threads"):
        command += [f"--{name}", str(getattr(o, name))]
    if o.aux_rows is not None:
        command += ["--aux-rows", str(o.aux_rows)]
    if o.dense:
        command.append("--dense")
    try:
        run = subprocess.run(command, env=environment, capture_output=True,
                             text=True)
    except OSError as e:
        return {"error": str(e)}
    try:
        result = json.loads(run.stdout)
        if "error" not in result:
            float(result["tokens_per_second"])
        return result
    except (ValueError, KeyError, TypeError):
        lines = run.stderr.strip().splitlines()
        return {"error": lines[-1] if lines else f"status {run.returncode}"}


def machine():
    flags = {name: getattr(torch.cpu, f"_is_{name}_supported", None)
             for name in ("avx512_bf16", "amx_tile")}
    try:
        bf16 = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):
        bf16 = None
    return {"torch": torch.__version__, "threads": torch.get_num_threads(),
            "capability": torch.backends.cpu.get_cpu_capability(),
            "onednn_bf16": bf16,
            **{name: f() if f else None for name, f in flags.items()}}


def options():
    root = pathlib.Path(__file__).resolve().parents[2]
    p = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("--d", type=int, default=768, help="input width")
    p.add_argument("--m", type=int, default=24576, help="features")
    p.add_argument("--k", type=int, default=32, help="active features a row")
    p.add_argument("--n", type=int, default=4096, help="rows of a step")
    p.add_argument("--dead", type=float, default=0.1,
                   help="share of features that AuxK takes for dead")
    p.add_argument("--steps", type=int, default=5,
                   help=f"timed steps, after {WARM_UP} to warm up")
    p.add_argument("--threads", type=int, default=0,
                   help="0: all, as each program counts them")
    p.add_argument("--variants", default=",".join(VARIANTS))
    p.add_argument("--headscope", default=str(root / "build" / "headscope"))
    p.add_argument("--aux-rows", type=float,
                   help="share of the rows for headscope's AuxK, in place of "
                        "its default; 1: all, as PyTorch's here")
    p.add_argument("--dense", action="store_true",
                   help="headscope bench also times a dense step of its own")
    p.add_argument("--json", action="store_true")
    o = p.parse_args()
    o.variants = o.variants.split(",")
    for name in set(o.variants) - set(VARIANTS):
        p.error(f"no variant {name}; there are {', '.join(VARIANTS)}")
    return o


def print_row(r, n, ours):
    """r: an entry of "variants", or the figures of headscope's that exist."""
    if "error" in r:
        print(f"{r['variant']:16} failed: {r['error']}")
        return
    ratio = f"{ours / r['tokens_per_second']:.2f}" if ours else ""
    peak = f"{r['peak_bytes'] / 2**30:.2f}" if "peak_bytes" in r else ""
    loss = f"{r['loss']:.4f}" if "loss" in r else ""
    others = f"{r['others']:.1f}" if "others" in r else ""
    print(f"{r['variant']:16}{1000 * n / r['tokens_per_second']:10.1f}"
          f"{r['tokens_per_second']:10.0f}{ratio:>8}{peak:>7}{loss:>11}"
          f"{others:>8}".rstrip())


def print_report(report, ours):
    print(", ".join(f"{k} {v}" for k, v in report["machine"].items()))
    print(", ".join(f"{k} {report[k]}" for k in "d m k n dead".split()))
    for b in report["headscope"]:
        print("headscope bench: " + (
            b.get("error") or f"{b['tokens_per_second']:.0f} tokens/s"))
    print(f"{'variant':16}{'ms a step':>10}{'tokens/s':>10}{'ratio':>8}"
          f"{'GiB':>7}{'loss':>11}{'others':>8}")
    for name, key in (("headscope", "tokens_per_second"),
                      ("headscope dense", "dense_tokens_per_second")):
        speeds = [b[key] for b in report["headscope"] if b.get(key)]
        if speeds:
            print_row({"variant": name,
                       "tokens_per_second": statistics.mean(speeds)},
                      report["n"], ours)
    for r in report["variants"]:
        print_row(r, report["n"], ours)
    print("ratio: tokens/s of headscope over those of the row")


def main():
    o = options()
    environment = dict(os.environ)
    for name, value in MALLOC.items():
        os.environ.setdefault(name, value)
    if o.threads:
        torch.set_num_threads(o.threads)
    report = {"machine": machine(), "d": o.d, "m": o.m, "k": o.k, "n": o.n,
              "dead": o.dead, "steps": o.steps, "aux_rows": o.aux_rows}
    before = bench(o, environment)
    report["variants"] = [measure_apart(v, o) for v in o.variants]
    report["headscope"] = [before, bench(o, environment)]
    speeds = [b["tokens_per_second"] for b in report["headscope"]
              if "error" not in b]
    ours = statistics.mean(speeds) if speeds else 0
    for r in report["variants"]:
        if ours and "error" not in r:
            r["ratio"] = ours / r["tokens_per_second"]
    if o.json:
        print(json.dumps(report, indent=1))
    else:
        print_report(report, ours)


if __name__ == "__main__":
    main()
