# A folder includes only what the pipeline puts before it (docs/design.md), and each
# outside library has its place.
. "$SOURCE/tests/common.sh"
cd "$SOURCE"

declare -A may=(
  [base]=""
  [kernels]="base"
  [dump]="base kernels"
  [sae]="base kernels dump"
  [capture]="base kernels dump"
  [train]="base kernels dump sae"
  [bench]="base kernels dump sae train"
  [store]="base"
  [encode]="base kernels dump sae store"
  [lens]="base kernels dump sae capture store encode"
  [circuit]="base kernels dump sae capture train store lens"
  [viewer]="base store lens"
  [cli]="base kernels dump sae capture train bench store encode lens circuit viewer"
)
# Of these folders one header alone.
declare -A doors=([viewer/lens]="lens/prompt.h")
declare -A only_in=(
  [sqlite3.h]="store"
  [immintrin.h]="kernels"
  [cpuid.h]="kernels"
  [microhttpd.h]="viewer"
  [cblas.h]="base capture bench sae encode lens circuit"
  [pcre2.h]="capture"
  [xxhash.h]="dump sae"
  [zlib.h]="viewer"
  [zip.h]="dump"
)

bad=0
complain() {
  printf '%s\n' "$*" >&2
  bad=1
}

while IFS=: read -r file line text; do
  folder=${file%%/*}
  [ "$folder" != tests ] || continue
  [ -n "${may[$folder]+known}" ] || {
    complain "$file: folder $folder is not in the table of $0"
    continue
  }
  header=$(sed -E 's/.*#\s*include\s*["<]([^">]+)[">].*/\1/' <<<"$text")
  case $text in
    *\"*)
      target=${header%%/*}
      case " $folder ${may[$folder]} " in
        *" $target "*)
          door=${doors[$folder/$target]-$header}
          [ "$header" = "$door" ] ||
            complain "$file:$line: of $target/ $folder/ includes only $door"
          ;;
        *) complain "$file:$line: $folder/ may not include $header" ;;
      esac
      ;;
    *)
      places=${only_in[$header]-$folder}
      case " $places " in
        *" $folder "*) ;;
        *) complain "$file:$line: $header belongs to $places" ;;
      esac
      ;;
  esac
done < <(tracked '*.c' '*.h' |
  xargs -d '\n' grep -nHE '^\s*#\s*include')
[ $bad = 0 ]
