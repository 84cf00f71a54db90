#!/usr/bin/env bash
# Builds all programs and puts them into a folder: ./deploy/build/install.sh [--prefix DIR], by default /usr/local.
set -euo pipefail
prefix=/usr/local
while [ $# -gt 0 ]; do
    case "$1" in
    --prefix) prefix=${2:?--prefix needs a folder}; shift 2 ;;
    *) echo "usage: $0 [--prefix DIR]" >&2; exit 2 ;;
    esac
done
machine="$(uname -s) $(uname -m)"
case "$machine" in
"Linux x86_64" | "Linux aarch64") ;;
*) echo "error: cannot install on $machine: the programs run on Linux, x86_64 and aarch64" >&2; exit 1 ;;
esac
mkdir -p "$prefix/bin"
[ -w "$prefix/bin" ] || { echo "error: $prefix/bin cannot be written: run as root, or add --prefix DIR" >&2; exit 1; }
prefix=$(cd "$prefix" && pwd)
cd "$(dirname "$0")/../.."
. deploy/build/setup.sh
profile=${PHOENIXMLDB_PROFILE:-release}
say build "the programs, profile $profile"
cargo build --profile "$profile" --workspace --bins >&2
built=$CARGO_TARGET_DIR/$([ "$profile" = dev ] && echo debug || echo "$profile")
for program in phoenixmldb-server phoenixmldb-controller phoenixmldb-cluster; do
    install -m 755 "$built/$program" "$prefix/bin/$program"
    say installed "$prefix/bin/$program"
done
