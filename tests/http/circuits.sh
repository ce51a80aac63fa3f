# What the API says of circuits, on planted ones.
. "$SOURCE/tests/common.sh"
need python3
rm -rf ./*
PYTHONDONTWRITEBYTECODE=1 python3 "$SOURCE/tests/http/test_circuits.py"
