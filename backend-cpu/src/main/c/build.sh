#!/bin/sh
# build.sh OUTDIR: builds OUTDIR/native/<platform>/libhalcyon_cpu.so with ${CC:-gcc}, when a source is newer.
# Exit: 0 built or up to date, 3 no compiler or an unknown platform, other: the compiler failed.
# HC_CFLAGS adds flags (tests use it for sanitizers).
set -eu
[ $# -eq 1 ] || { echo "usage: build.sh OUTDIR" >&2; exit 2; }
CC=${CC:-gcc}
src=$(cd "$(dirname "$0")" && pwd)
case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) platform=linux-x86_64 ;;
    Linux-aarch64) platform=linux-aarch64 ;;
    *) echo "halcyon: no C tier for $(uname -s)-$(uname -m)" >&2; exit 3 ;;
esac
command -v "$CC" >/dev/null 2>&1 || { echo "halcyon: no C compiler ($CC)" >&2; exit 3; }
mkdir -p "$1/native/$platform"
out=$(cd "$1/native/$platform" && pwd)
lib=$out/libhalcyon_cpu.so
if [ -f "$lib" ] && [ -z "$(find "$src" -type f -newer "$lib")" ]; then
    echo "halcyon: $platform C tier is up to date"
    exit 0
fi
work=$(mktemp -d "$out/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
# No -ffast-math: NaN, infinity and subnormals are part of the contract.
flags="-std=gnu11 -O3 -fPIC -fvisibility=hidden -fno-math-errno -ffp-contract=fast -Wall -Wextra -Wno-maybe-uninitialized -Werror=implicit-function-declaration ${HC_CFLAGS:-}"
unit() { # name, flags
    name=$1
    shift
    # shellcheck disable=SC2086
    "$CC" $flags "$@" "-DHC_NS=$name" -c "$src/unit.c" -o "$work/$name.o"
}
pids=""
if [ $platform = linux-x86_64 ]; then
    unit avx512 -DHC_USE_SIMD -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vbmi -mavx2 -mfma -mf16c -mprefer-vector-width=512 &
    pids="$pids $!"
    unit avx2 -DHC_USE_SIMD -mavx2 -mfma -mf16c &
    pids="$pids $!"
fi
unit generic
for p in $pids; do wait "$p"; done
# shellcheck disable=SC2086
"$CC" $flags -c "$src/dispatch.c" -o "$work/dispatch.o"
# shellcheck disable=SC2086
"$CC" $flags -shared -o "$work/lib.so" "$work"/*.o -lm
mv "$work/lib.so" "$lib"
echo "halcyon: built the $platform C tier with $("$CC" --version | head -n 1)"
