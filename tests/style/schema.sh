# docs/schema.md is what the schema says, the schema's SELECTs are valid, and its
# views hold no SQL that is SQLite's alone (docs/readers.md, DuckDB).
. "$SOURCE/tests/common.sh"
need python3
python3 "$SOURCE/docs/make_schema.py" | diff "$SOURCE/docs/schema.md" - ||
  fail "mend with: python3 docs/make_schema.py > docs/schema.md"
! sed 's/--.*//' "$SOURCE/store/views.sql" | tr '\n' ' ' |
  grep -oE 'CROSS JOIN \w+ AS \w+ +ON [^ ]+|INDEXED BY \w+' ||
  fail "other programs cannot read that: conditions belong into WHERE"
