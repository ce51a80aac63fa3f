# Who is let in where a token is asked for, and at other addresses.
. "$SOURCE/tests/common.sh"
need python3
rm -rf ./*
PYTHONDONTWRITEBYTECODE=1 python3 "$SOURCE/tests/http/test_access.py"
