# The API over a real socket, against databases whose content is known.
. "$SOURCE/tests/common.sh"
need python3
rm -rf ./*
export PYTHONDONTWRITEBYTECODE=1
for part in api odd; do
  python3 "$SOURCE/tests/http/test_$part.py"
done
