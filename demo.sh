#!/usr/bin/env bash
# The main job on the model in examples/: text to dump to SAEs to database to
# page.
set -euo pipefail

SOURCE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
. "$SOURCE/cmake/setup.sh"

usage() {
  cat <<'END'
usage: ./demo.sh [--fresh] [--no-serve] [--binary FILE] [--folder FOLDER]

Installs missing packages, builds headscope into build/, then in demo/: runs
examples/tiny-gpt2 over its text, trains a sparse autoencoder on each layer's
attention outputs, encodes them into demo/demo.db, prints a summary and serves
the page at http://127.0.0.1:8765/ until Ctrl-C.
Steps whose inputs have not changed since the last run are not repeated.

  --fresh          repeat all steps
  --no-serve       end with the summary
  --binary FILE    use this headscope instead of building one
  --folder FOLDER  instead of demo/
END
}

fresh=false
serve=true
headscope=
folder=$SOURCE/demo
while [ $# -gt 0 ]; do
  case $1 in
    --fresh) fresh=true ;;
    --no-serve) serve=false ;;
    --binary | --folder)
      [ $# -gt 1 ] || die "$1 needs a value"
      path=$(realpath -m "$2")
      if [ "$1" = --binary ]; then headscope=$path; else folder=$path; fi
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) die "unknown option $1" "$(usage)" ;;
  esac
  shift
done

model=$SOURCE/examples/tiny-gpt2

# Checksums of what a step reads. A dump's arrays stand in its manifest with
# their checksums and need not be read again.
checksums() {
  find "$@" -type f ! -name '.*' ! -path '*.dump/*.safetensors' \
    ! -path '*.dump/*.npy' -print0 | sort -z | xargs -0 sha256sum
}

# step OUTPUT INPUT... -- ARGUMENT...: runs headscope unless OUTPUT is there
# and came from the same sources, arguments and inputs.
step() {
  local output=$1 inputs=() stamp key status=0
  shift
  while [ "$1" != -- ]; do
    inputs+=("$1")
    shift
  done
  shift
  stamp=.$output.stamp
  key=$(
    printf '%s\n' "$sources"
    printf '%s\n' "$@"
    checksums "${inputs[@]}"
  )
  if ! $fresh && [ -e "$output" ] && [ -f "$stamp" ] &&
    [ "$key" = "$(cat "$stamp")" ]; then
    printf 'up to date: %s/%s\n' "${folder##*/}" "$output" >&2
    return 0
  fi
  rm -f "$stamp"
  "$headscope" "$@" -o "$output" --force || status=$?
  case $status in
    0) printf '%s\n' "$key" >"$stamp" ;;
    130 | 143) die "stopped; ./demo.sh goes on where it stopped" ;;
    *) die "headscope $1 failed (see above)" \
      "Mend that and run ./demo.sh again; what is done is kept." ;;
  esac
}

started=$SECONDS
given=true
if [ -z "$headscope" ]; then
  given=false
  install_packages build
  say "Building headscope"
  build "$SOURCE/build" -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF
  headscope=$SOURCE/build/headscope
fi

# What decides the results: not viewer, page or tests; of a binary that is given,
# all of it.
if $given; then
  sources=$(sha256sum <"$headscope")
else
  sources=$(cd "$SOURCE" && checksums base kernels dump sae capture train \
    encode lens store | sha256sum)
fi
mkdir -p "$folder"
cd "$folder"
[ -w . ] || die "cannot write into $folder"

say "Capturing attention outputs"
step tiny.dump "$model" -- capture "$model" --text "$model/corpus.txt"

# Small SAEs that a small text can train within the demo's time: half the
# default features and active features, a higher rate in smaller batches and a
# shorter wait for dead features than the defaults, which suit hundreds of
# millions of tokens.
training=(--features 2048 --k 16 --batch 1024 --rate 1e-3 --tokens 1M
  --dead-tokens 100k)
layers=$("$headscope" info tiny.dump | awk '$1 == "layers" { print $2 }')
saes=()
for ((layer = 0; layer < layers; layer++)); do
  say "Training an SAE on layer $layer"
  step "layer$layer.sae" tiny.dump -- train tiny.dump --layer "$layer" \
    "${training[@]}"
  saes+=("layer$layer.sae")
done

# Its summary comes below, also where nothing had to be encoded.
say "Encoding into ${folder##*/}/demo.db"
step demo.db tiny.dump "${saes[@]}" "$model" -- encode tiny.dump "${saes[@]}" \
  --model "$model" --rows 100k >/dev/null

say "Summary"
"$headscope" info demo.db
say "What the model loses with SAEs in place of z"
"$headscope" eval tiny.dump "${saes[@]}" --model "$model"
say "Done in $((SECONDS - started)) s"
printf 'The database: %s\n' "$folder/demo.db"

if $serve; then
  say "The page (Ctrl-C ends it; ./demo.sh starts it again)"
  exec "$headscope" view demo.db --port 8765 --model "$model"
fi
