# Sourced by ./demo, ./check and .ci/run: makes a machine ready to build, and says what it does.
#
# Needs: a Rust toolchain. Installs as root on Debian, or names: g++ (RocksDB is C++20) and libclang (its bindings).
# RocksDB is compiled once per machine into $PHOENIXMLDB_CACHE and linked from there by every profile; left to cargo it
# would be compiled again whenever a feature of any of its build dependencies changes.

export PHOENIXMLDB_CACHE="${PHOENIXMLDB_CACHE:-$HOME/.cache/phoenixmldb}"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PHOENIXMLDB_CACHE/target}"

say() { printf '  %-10s %s\n' "$1" "$2" >&2; }

need_tools() {
    command -v cargo >/dev/null || { say tools "cargo is missing: install a Rust toolchain (rustup.rs)"; return 1; }
    local missing=()
    command -v g++ >/dev/null || missing+=(g++)
    # Not libclang-cpp.so, which other packages bring along and which bindgen cannot use.
    find /usr/lib \( -name 'libclang.so*' -o -name 'libclang-[0-9]*.so*' \) -print -quit 2>/dev/null | grep -q . ||
        missing+=(libclang-14-dev)
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say tools "installing ${missing[*]}"
        apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
    else
        say tools "missing: ${missing[*]}; as root: apt-get install ${missing[*]}"
        return 1
    fi
}

need_rocksdb() {
    local version lib build
    version=$(sed -n '/^name = "librocksdb-sys"$/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock)
    lib="$PHOENIXMLDB_CACHE/rocksdb-$version"
    if [ ! -f "$lib/librocksdb.a" ]; then
        build="$PHOENIXMLDB_CACHE/rocksdb-build"
        say rocksdb "compiling RocksDB once, about 10 to 20 minutes on two cores"
        CARGO_TARGET_DIR="$build" cargo build --quiet -p phoenixmldb-engine &
        local cargo=$!
        while kill -0 $cargo 2>/dev/null; do
            sleep 5
            printf '\r  rocksdb    %s of about 340 files' "$(find "$build" -path '*librocksdb-sys*' -name '*.o' 2>/dev/null | wc -l)" >&2
        done
        printf '\n' >&2
        wait $cargo || return 1
        mkdir -p "$lib"
        # The newest archive is the one just built; the rename makes it appear whole or not at all.
        cp "$(find "$build" -name librocksdb.a -size +10M -printf '%T@ %p\n' | sort -rn | head -n 1 | cut -d' ' -f2-)" "$lib/partial"
        mv "$lib/partial" "$lib/librocksdb.a"
        rm -rf "$build"
    fi
    export ROCKSDB_LIB_DIR="$lib" ROCKSDB_STATIC=1
}

need_tools && need_rocksdb
