# docs/commands.md is what the program prints.
. "$SOURCE/tests/common.sh"
"$HEADSCOPE" help --docs | diff "$SOURCE/docs/commands.md" - ||
  fail "mend with: headscope help --docs > docs/commands.md"
