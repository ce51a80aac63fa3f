# Prompts over a real socket: the numbers of the command line, refused by name,
# bounded, cancelled, and nobody else waits. The database knows two of the four
# layers.
. "$SOURCE/tests/common.sh"
need python3
rm -rf ./*
make_dump
make_saes
headscope encode tiny.dump layer0.sae layer1.sae -o tiny.db --quiet >out.log
PYTHONDONTWRITEBYTECODE=1 python3 "$SOURCE/tests/http/test_prompt.py"
