# What a folder gives to others begins with the folder's name or with a subject
# of it: the name of one of its headers, structs or enums.
. "$SOURCE/tests/common.sh"
cd "$SOURCE"

for library in "$BUILD"/libhs_*.a; do
  folder=${library##*/libhs_}
  folder=${folder%.a}
  subjects=$(
    printf '%s\n' "$folder"
    find "$folder" -name '*.h' -exec basename {} .h ';'
    find "$folder" -name '*.h' -exec \
      sed -nE 's/^ *(struct|enum) ([a-z0-9_]+).*/\2/p' {} +
  )
  pattern="^($(sort -u <<<"$subjects" | paste -sd '|'))(_|\$)"
  strange=$(nm -g --defined-only "$library" | awk 'NF == 3 { print $3 }' |
    grep -vE "$pattern" | grep -v '^__' || true)
  [ -z "$strange" ] ||
    fail "$folder/: no header, struct or enum of that name: $strange"
done
