# docs/schema.md is what the schema says, and the schema's SELECTs are valid.
. "$SOURCE/tests/common.sh"
need python3
python3 "$SOURCE/docs/make_schema.py" | diff "$SOURCE/docs/schema.md" - ||
  fail "mend with: python3 docs/make_schema.py > docs/schema.md"
