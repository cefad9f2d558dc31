#!/usr/bin/env bash
# What every proof begins with, to be sourced by bash: the release binary in REGULARS_BIN, a throwaway PostgreSQL, and a
# directory that goes with the proof in PROOF_DIRECTORY.
#
# REGULARS_BIN may name another binary; then nothing is built.
set -euo pipefail
proofs=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$proofs/../.." && pwd)
. "$root/tests/postgres.sh"
# A proof may want more of its server than others.
postgres_options=("${proof_postgres_options[@]}")

PROOF_DIRECTORY=
finish() {
    postgres_stop
    [ -z "$PROOF_DIRECTORY" ] || rm -rf "$PROOF_DIRECTORY"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

command -v python3 >/dev/null || debian_install python3
postgres_install
if [ -z "${REGULARS_BIN:-}" ]; then
    cargo build --release --manifest-path "$root/Cargo.toml"
    REGULARS_BIN=${CARGO_TARGET_DIR:-$root/target}/release/regulars
fi
# The proofs start it from a directory of their own.
REGULARS_BIN=$(realpath -e "$REGULARS_BIN")
postgres_start
PROOF_DIRECTORY=$(mktemp -d)
export REGULARS_BIN PROOF_DIRECTORY
# Clients that open thousands of connections need as many files.
ulimit -n "$(ulimit -Hn)"

# Runs the Python part of the proof from its own directory.
prove() {
    python3 -u "$proofs/$1" "${@:2}"
}
