# Questions in SQL over a real socket: answered, refused, bounded, cancelled,
# and nobody else waits.
. "$SOURCE/tests/common.sh"
need python3
rm -rf ./*
PYTHONDONTWRITEBYTECODE=1 python3 "$SOURCE/tests/http/test_sql.py"
