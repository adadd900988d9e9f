#!/usr/bin/env bash
# Builds the Debian package and prints its path:
#
#     systemd/build-deb.sh [DIRECTORY [arguments for `cargo deb`]]
#
# It is written to DIRECTORY, or to target/debian. cargo-deb packs files and runs
# nothing, but manual pages and completions come from the program itself; so this
# builds the program, lets it write them, and then packs. A program that is built
# already is packed instead where PROGRAM names one, to try the package out quickly.
set -euo pipefail

if ! command -v cargo-deb >/dev/null; then
    echo "cargo-deb was not found. Install it, then run again: cargo install cargo-deb" >&2
    exit 1
fi

# Named from where the caller stands.
out=${1:+$(realpath -m "$1")}
program=${PROGRAM:+$(realpath "$PROGRAM")}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$(cargo metadata --locked --no-deps --format-version 1 |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
out=${out:-$target/debian}
if [ -z "$program" ]; then
    cargo build --locked --profile dist --bin talos-order
    program=$target/dist/talos-order
fi

# A directory of its own, which cargo-deb takes for cargo's: whatever is packed was
# made by this run, and pages of a verb that is gone are not among it.
mkdir -p "$target"
stage=$(mktemp -d "$target/deb.XXXXXX")
trap 'rm -rf "$stage"' EXIT
made=$stage/release
mkdir -p "$made"
cp "$program" "$made/talos-order"
"$program" man "$made/man"
gzip -9n "$made"/man/*.1
for shell in bash zsh fish; do
    "$program" completions "$shell" >"$made/completions.$shell"
done

mkdir -p "$out"
CARGO_TARGET_DIR=$stage cargo deb --locked --no-build --output "$out/" "${@:2}"
