# The API over a real socket, against databases whose content is known.
. "$SOURCE/tests/common.sh"
need python3
rm -rf ./*
PYTHONDONTWRITEBYTECODE=1 python3 "$SOURCE/tests/http/test_api.py"
