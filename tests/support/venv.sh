#!/bin/sh
# Makes a virtual environment of Python in DIR with the packages of a file of
# requirements, unless it is there already. What is missing is named on stderr.
#
#     venv.sh DIR REQUIREMENTS
set -eu
dir=$1
requirements=$2
if cmp -s "$requirements" "$dir/made-of"; then
    exit 0
fi
command -v python3 >/dev/null || { echo "python3 is not installed" >&2; exit 1; }
rm -rf "$dir"
python3 -m venv "$dir" >/dev/null || { echo "python3-venv is not installed" >&2; exit 1; }
"$dir/bin/pip" install --quiet --disable-pip-version-check --retries 1 --timeout 15 \
    -r "$requirements" >/dev/null || { echo "PyPI cannot be reached" >&2; exit 1; }
cp "$requirements" "$dir/made-of"
