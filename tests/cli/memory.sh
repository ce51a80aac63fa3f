# Training from a dump larger than --memory: at its peak the program holds, in
# memory that is not the file's, no more than --memory, six times the weights
# (weights and Adam's moments are three; packed for the kernels and written as
# an SAE they are there again), three samples of 32,768 rows, and a constant for
# the program, a batch, its codes, and the candidates among which calibration
# finds the threshold of the held-out sample: 48 MiB, and 80 where features are
# many. Catches reservoirs that each take all of --memory, a third one, and rows
# that stay in memory once they are measured.
. "$SOURCE/tests/common.sh"
need python3
if built_with asan || built_with tsan; then
  skip "sanitizers have memory of their own"
fi
find . -mindepth 1 -delete

# 524,288 rows of 64 f32: 128 MiB
python3 - <<'P'
import array, random
draw = random.Random(1)
rows = array.array("f", [draw.gauss(0, 1) for _ in range(1 << 16)]) * 512
head = "{'descr': '<f4', 'fortran_order': False, 'shape': (524288, 2, 32), }"
head += " " * (-(len(head) + 11) % 64) + "\n"
with open("big.npy", "wb") as f:
    f.write(b"\x93NUMPY\x01\0" + len(head).to_bytes(2, "little"))
    f.write(head.encode())
    rows.tofile(f)
P
MiB=$((1 << 20)) width=64

# peak ARGUMENT...: runs headscope; its most anonymous memory in $peak, in bytes
peak() {
  local key value rest pid
  peak=0
  "$HEADSCOPE" "$@" >out.log 2>err.log </dev/null &
  pid=$!
  while kill -0 $pid 2>/dev/null; do
    while read -r key value rest; do
      [ "$key" != RssAnon: ] || [ "$value" -le "$peak" ] || peak=$value
    done <"/proc/$pid/status" || true
  done 2>/dev/null
  wait $pid || fail "$(cat err.log)"
  peak=$((peak * 1024))
}

for case in '256 48' '8192 80'; do
  read -r features constant <<<"$case"
  peak train big.npy --layout tokens,heads,d_head -m $features -k 8 \
    --batch 1024 --tokens 300k --memory 64M -q --threads 2 -o m$features.sae
  weights=$(stat -c %s m$features.sae/sae_weights.safetensors)
  most=$((64 * MiB + 6 * weights + 3 * 32768 * width * 4 +
    constant * MiB))
  printf '%s features: %d MiB of %d\n' $features $((peak / MiB)) $((most / MiB))
  [ $peak -le $most ] ||
    fail "$((peak / MiB)) MiB with $features features, not $((most / MiB))"
  # That it was looked at while there was something to see.
  [ $peak -ge $((64 * MiB)) ] || fail "only $((peak / MiB)) MiB were seen"
done
