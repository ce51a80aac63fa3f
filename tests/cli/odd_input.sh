# Input that is odd but right: it must work, and say what is true.
. "$SOURCE/tests/common.sh"
find . -mindepth 1 -delete
make_dump
small=(--layer 0 --features 64 -k 4 --tokens 2k --batch 256 --quiet)

# -- names of any bytes, in what is JSON too
name=$'not\xffutf8'
cp -r tiny.dump "$name.dump"
headscope train "$name.dump" "${small[@]}" -o "$name.sae" --json >out.log
grep -q '"output":"not?utf8.sae"' out.log
grep -q '"not?utf8.dump"' "$name.sae/headscope.json"
headscope encode "$name.dump" "$name.sae" -o "$name.db" --quiet --json >out.log
headscope encode tiny.dump "$name.sae" -o file:x.db --quiet >out.log
headscope info file:x.db >out.log # no URI, as SQLite would take it

# -- held-out rows that do not vary: there is no FVU, and none is claimed
headscope train tiny.dump "${small[@]}" --batch 1 --tokens 20 -o one.sae >out.log
grep -q '"held_out_fvu":null' one.sae/metrics.jsonl
# 40 contexts of one token, of which one is held out
npy rows.npy \
  "{'descr': '<f4', 'fortran_order': False, 'shape': (40, 1, 1, 2), }" 0
for ((i = 0; i < 40; i++)); do
  printf "\\0\\0\\x$(printf %02x "$i")\\x3f\\0\\0\\0\\x40"
done >>rows.npy
headscope train rows.npy --layout contexts,positions,heads,d_head --features 8 \
  -k 2 --tokens 200 --batch 16 --held-out 0.01 -o row.sae --quiet --json >out.log
grep -q '"fvu":null' out.log
grep -q '"fvu": null' row.sae/headscope.json
headscope encode rows.npy --layout contexts,positions,heads,d_head row.sae \
  -o row.db --quiet >out.log
