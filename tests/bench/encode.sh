# What headscope encode costs on planted dumps (plant.c): rate, processor time
# and peak of anonymous memory, and what the tables take.
#
#     bash tests/bench/encode.sh BUILD [TOKENS...] [-- OPTION...]
#
# BUILD is a build folder; TOKENS are 300k 1M 3M unless given; options go to
# plant (--rule topk, --features 4096). Works in the folder where it is started,
# which needs 2 KB of disk for a token at d 768, twice that with the database.
set -euo pipefail

build=$(realpath "$1")
shift
tokens=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  tokens+=("$1")
  shift
done
[ $# = 0 ] || shift
[ "${#tokens[@]}" -gt 0 ] || tokens=(300k 1M 3M)

# Anonymous memory of a process at its peak, in MB, looked at 20 times a second.
watch_memory() {
  local now most=0
  while now=$(awk '/^RssAnon/ { print $2 }' "/proc/$1/status" 2>/dev/null) &&
    [ -n "$now" ]; do
    [ "$now" -le "$most" ] || most=$now
    sleep 0.05
  done
  echo $((most / 1024))
}

tables() {
  python3 - "$1" <<'EOF'
import sqlite3, sys

db = sqlite3.connect(sys.argv[1])
n, = db.execute("SELECT sum(activations) FROM sae").fetchone()
size = dict(db.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name"))
trees = size.pop("activation") + size.pop("activation_by_token")
rest = sum(size.values())
print(f"  {n} activations: {trees / n:.1f} bytes each in both trees, "
      f"everything else {rest / trees:.0%} of them:")
print("  " + ", ".join(f"{name} {size[name] / trees:.1%}" for name in
                       sorted(size, key=size.get, reverse=True)[:8]))
EOF
}

for n in "${tokens[@]}"; do
  [ -d "planted$n.dump" ] ||
    "$build/tests/plant" "planted$n" --tokens "$n" "$@"
  # The pages of the dump once, so that the disk is not what is measured.
  cat "planted$n.dump"/* >/dev/null
  begin=$(date +%s%N)
  "$build/headscope" encode "planted$n.dump" "planted$n.sae" \
    -o "planted$n.db" --rows 1G --force --quiet >/dev/null &
  memory=$(watch_memory $!)
  wait $!
  end=$(date +%s%N)
  echo "$n tokens: $(((end - begin) / 1000000)) ms, $memory MB"
  tables "planted$n.db"
done
