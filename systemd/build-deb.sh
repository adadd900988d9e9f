#!/usr/bin/env bash
# Builds the Debian package:
#
#     systemd/build-deb.sh [arguments for `cargo deb`]
#
# The result is target/debian/talos-order_*.deb. cargo-deb packs files and runs
# nothing, and manual pages and completions come from the program itself; so this
# builds the program, lets it write them, and then packs. Another profile than
# `release` is chosen with PROFILE=dev, which is quicker and larger.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v cargo-deb >/dev/null; then
    echo "cargo-deb was not found. Install it, then run again: cargo install cargo-deb" >&2
    exit 1
fi

profile=${PROFILE:-release}
cargo build --locked --profile "$profile" --bin talos-order

target=$(cargo metadata --locked --no-deps --format-version 1 |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
# cargo names the directory of the profile `dev` otherwise than the profile.
built=$target/${profile/#dev/debug}
program=$built/talos-order

# Pages of a verb that is gone would be packed, too.
rm -rf "$built/dist"
mkdir -p "$built/dist"
"$program" man "$built/dist/man"
for shell in bash zsh fish; do
    "$program" completions "$shell" >"$built/dist/talos-order.$shell"
done

# cargo reads `target/release/` in the list of files as the profile's directory.
exec cargo deb --locked --no-build --profile "$profile" "$@"
