#!/usr/bin/env bash
# Builds the image phoenixmldb/server:local from the programs of this checkout, without any registry.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/build/setup.sh
cargo build --workspace --bins >&2
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/root/bin" "$stage/empty"
for program in phoenixmldb-server phoenixmldb-controller phoenixmldb-cluster; do
    strip -o "$stage/root/bin/$program" "$CARGO_TARGET_DIR/debug/$program"
done
# The libraries the programs link, at the paths their loader looks for them.
ldd "$stage"/root/bin/* | grep -o '/[^ ]*\.so[^ ]*' | sort -u | while read -r library; do
    mkdir -p "$stage/root$(dirname "$library")"
    cp -L "$library" "$stage/root$library"
done
cp deploy/docker/Dockerfile "$stage/Dockerfile"
DOCKER_BUILDKIT=0 docker build --quiet --tag "${1:-phoenixmldb/server:local}" "$stage"
