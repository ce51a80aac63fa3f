# headscope eval --model: what the model loses with SAEs in place of z, and that
# no other model is taken for the dump's.
. "$SOURCE/tests/common.sh"
need jq
need python3
find . -mindepth 1 -delete
make_dump
make_saes
eval_model() {
  headscope eval tiny.dump "$@" --model "$MODEL" -q
}

# -- clean, zero- and mean-ablated losses are those of float64
# (tests/compare/lens_torch.py eval). Catches another shift of the targets, means
# of other rows, another layer, and z replaced behind W_O.
eval_model layer0.sae layer1.sae --split all --rows 2000 --json >f.json
near() {
  jq -e "$1 - $2 | fabs < ${3-1e-4}" f.json >/dev/null ||
    fail "$1 is $(jq "$1" f.json), not $2"
}
near .fidelity.ce_clean 1.63248
near .fidelity.tokens 2002 0.5
near '.fidelity.layers[0].ce_zero' 1.78763
near '.fidelity.layers[0].ce_mean' 1.72487
near '.fidelity.layers[1].ce_zero' 1.94632
near '.fidelity.layers[1].kl_mean' 0.25176
near '.fidelity.layers[2].ce_zero' 2.56332

# -- what follows from what. Catches a baseline taken for the other.
jq -e '.fidelity | .ce_clean as $clean | (.layers | map(.layer)) == [0, 1, null] and
  all(.layers[];
    ((.ce_zero - .ce_spliced) / (.ce_zero - $clean) - .recovered_zero | fabs < 1e-9) and
    ((.ce_mean - .ce_spliced) / (.ce_mean - $clean) - .recovered_mean | fabs < 1e-9) and
    .recovered_zero > 0.3 and .recovered_zero < 1 and
    .kl_spliced > 0 and .kl_spliced < .kl_zero and .ce_spliced > $clean) and
  .layers[2].ce_spliced > .layers[0].ce_spliced' f.json >/dev/null ||
  fail "$(cat f.json)"
# An SAE that is all error: its b_dec, the mean, is what is left.
headscope train tiny.dump --layer 0 -o none.sae -m 8 -k 1 --tokens 2k \
  --batch 256 --rate 1e-9 -q >out.log
eval_model none.sae --json >none.json
jq -e '.fidelity.layers[0] | .ce_spliced - .ce_mean | fabs < 0.05' none.json \
  >/dev/null || fail "$(jq -c .fidelity none.json)"
# Held-out contexts by default; one SAE also has the figures of rows.
jq -e '.fvu > 0 and .split == "held-out" and .fidelity.contexts < 20' \
  none.json >/dev/null

# -- any number of threads
eval_model layer0.sae layer1.sae --json --threads 1 >one.json
eval_model layer0.sae layer1.sae --json --threads 3 >three.json
cmp one.json three.json

# -- for a person
eval_model layer0.sae layer1.sae >table.log
grep -qE '^tiny-gpt2: cross-entropy [0-9]\.[0-9]+ nats on [0-9]+ tokens' table.log
grep -qE '^layer 1 ( +[0-9.]+){6}$' table.log
grep -qE '^together ( +-?[0-9.]+){6}$' table.log

# -- bare arrays have no flags: z tells whether value biases are folded away
headscope capture "$MODEL" --text tiny.txt -o f32.dump --layers 1 --dtype f32 \
  --context 64 -q >out.log
cp -r layer1.sae foreign.sae
rm foreign.sae/headscope.json
bare() {
  headscope eval "$1" foreign.sae --model "$MODEL" -q --split all --rows 2000 \
    --layout tokens,heads,d_head --first-layer 1 --token-ids grid.npy --json
}
python3 - "$MODEL" <<'END'
import json, struct, sys
def npy(path, descr, shape, data):
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    open(path, "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) +
                           head.encode() + data)
def read_npy(path):
    data = open(path, "rb").read()
    return data[10 + struct.unpack("<H", data[8:10])[0]:]
def tensor(path, name):
    data = open(path, "rb").read()
    n, = struct.unpack("<Q", data[:8])
    a, b = json.loads(data[8:8 + n])[name]["data_offsets"]
    return data[8 + n + a:8 + n + b]
# The contexts of exactly 64 tokens, as a grid, with z as it is and folded.
starts = struct.unpack(f"<{len(read_npy('f32.dump/contexts.npy')) // 8}q",
                       read_npy("f32.dump/contexts.npy"))
ids = read_npy("f32.dump/tokens.npy")
import glob
z = tensor(glob.glob("f32.dump/layer01*")[0], "z")
bias = struct.unpack("<768f", tensor(sys.argv[1] + "/model.safetensors",
                                     "h.1.attn.c_attn.bias"))[512:]
full = [a for a, b in zip(starts, starts[1:]) if b - a == 64]
grid = b"".join(ids[4 * a:4 * (a + 64)] for a in full)
rows = b"".join(z[1024 * a:1024 * (a + 64)] for a in full)
n = len(full) * 64
folded = [x - bias[i % 256]
          for i, x in enumerate(struct.unpack(f"<{n * 256}f", rows))]
npy("grid.npy", "<i4", (len(full), 64), grid)
npy("plain.npy", "<f4", (n, 8, 32), rows)
npy("folded.npy", "<f4", (n, 8, 32), struct.pack(f"<{n * 256}f", *folded))
END
bare plain.npy >plain.json 2>err.log
bare folded.npy >folded.json 2>err.log
# Zeros and means differ, the model does not.
jq -se '(.[0].fidelity.ce_clean - .[1].fidelity.ce_clean | fabs < 1e-5) and
  (.[0].fidelity.layers[0].ce_mean - .[1].fidelity.layers[0].ce_mean |
    fabs < 1e-4) and
  (.[0].fidelity.layers[0].ce_zero - .[1].fidelity.layers[0].ce_zero |
    fabs > 1e-4)' plain.json folded.json >/dev/null ||
  fail "$(jq -c .fidelity plain.json folded.json)"

# -- bad input: not the dump's model, or not its SAE
refuse 1 "2 SAEs: several go together with --model" eval tiny.dump layer0.sae \
  layer1.sae
refuse 1 "--layer does not go with --model" eval tiny.dump layer1.sae --layer 0 \
  --model "$MODEL"
refuse 2 "there is an SAE for layer 0 already" eval tiny.dump layer0.sae \
  none.sae --model "$MODEL" -q
cp -r "$MODEL" other
# A byte in the middle of a weight.
printf '\x3d' | dd of=other/model.safetensors bs=1 seek=9000003 conv=notrunc \
  status=none
refuse 2 "was captured from model 'tiny-gpt2' with fingerprint" eval tiny.dump \
  layer0.sae layer1.sae --model other -q
# lie SED: a copy of the dump whose manifest says something else
lie() {
  rm -rf lie.dump
  cp -r tiny.dump lie.dump
  sed -i "$1" lie.dump/manifest.json
}
lie 's/"model_fingerprint": "[0-9a-f]*",//'
headscope eval lie.dump layer1.sae layer0.sae --model "$MODEL" -q >out.log
lie 's/"fold_value_biases": false/"fold_value_biases": true/'
refuse 2 "the manifest says that z is without value biases" eval lie.dump \
  layer0.sae layer1.sae --model "$MODEL" -q
refuse 2 "has no token ids" eval plain.npy layer1.sae --model "$MODEL" -q \
  --layout tokens,heads,d_head --first-layer 1 --split all
refuse 2 "no-such-model" eval tiny.dump layer0.sae layer1.sae \
  --model no-such-model -q
# SAEs of another model, or of z without value biases.
cp -r layer1.sae other.sae
sed -i 's/"model_fingerprint": "[0-9a-f]/"model_fingerprint": "x/' \
  other.sae/headscope.json
refuse 2 "was trained on z of a model with fingerprint x" eval tiny.dump \
  other.sae --split all --model "$MODEL" -q
refuse 2 "was trained on z of a model" prompt "$MODEL" other.sae a
cp -r layer1.sae folded.sae
sed -i 's/"fold_value_biases": false/"fold_value_biases": true/' \
  folded.sae/headscope.json
refuse 2 "trained on z without value biases, but here z is with them" eval \
  tiny.dump folded.sae --split all --model "$MODEL" -q
refuse 2 "see --fold-value-biases" prompt "$MODEL" folded.sae a
headscope prompt "$MODEL" folded.sae a --fold-value-biases >out.log
# Tokens of another text: z tells.
cp -r f32.dump wrong.dump
python3 - <<'END'
p = "wrong.dump/tokens.npy"
data = bytearray(open(p, "rb").read())
at = 10 + int.from_bytes(data[8:10], "little")
data[at:at + 40] = data[at + 40:at + 80]
open(p, "wb").write(data)
END
refuse 2 "another model, or its tokens are not those that were run" eval \
  wrong.dump layer1.sae --model "$MODEL" -q --split all

# -- a model whose logits are beyond float32. Catches "no memory for report",
# and tables of NaN.
cp -r "$MODEL" huge
python3 - <<'END'
import json, struct
p = "huge/model.safetensors"
data = bytearray(open(p, "rb").read())
n, = struct.unpack("<Q", data[:8])
a, b = json.loads(data[8:8 + n])["ln_f.weight"]["data_offsets"]
data[8 + n + a:8 + n + b] = struct.pack("<f", 1e38) * ((b - a) // 4)
open(p, "wb").write(data)
END
headscope capture huge --text tiny.txt -o huge.dump --layers 0-1 --context 64 \
  -q >out.log
cp -r layer0.sae bare.sae
rm bare.sae/headscope.json
refuse 2 "the model's loss is not finite" eval huge.dump bare.sae \
  --model huge --split all --rows 500 -q
printf '{"text": "a b", "answer": " to", "wrong": " a"}\n' >one.jsonl
refuse 2 "prompt 1: the model gives no finite metric" ablate huge \
  --prompts one.jsonl -q
refuse 2 "logits behind token 0 are not finite" prompt huge "a b"
