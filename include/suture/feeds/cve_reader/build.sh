#!/bin/sh
# Builds cve_reader.wasm from lib.rs and its modules, byte for byte the same with the same rustc: build.sh [OUTPUT]
# Needs Debian's packages rustc, libstd-rust-dev-wasm32 and lld. The file that is kept here is made by Debian 12's rustc 1.63.0.
set -eu
output=$(readlink -f -- "${1:-$(dirname -- "$0")/cve_reader.wasm}")
cd -- "$(dirname -- "$(readlink -f -- "$0")")"
"${RUSTC:-/usr/bin/rustc}" --edition 2021 -D warnings --crate-type cdylib --target wasm32-unknown-unknown -C opt-level=3 -C panic=abort -C lto=fat \
    -C codegen-units=1 -C strip=symbols -C target-feature=+simd128,+bulk-memory -C linker=wasm-ld \
    -C link-arg=--max-memory=67108864 lib.rs --crate-name cve_reader -o "$output"
chmod 644 "$output"
