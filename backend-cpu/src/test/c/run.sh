#!/bin/sh
# run.sh OUTDIR: builds the C tier and its test plain and under the address and undefined-behaviour sanitizers, runs both.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
main=$here/../../main/c
CC=${CC:-gcc}
arch=linux-$(uname -m)
for kind in plain sanitize; do
    extra=""
    [ $kind = plain ] || extra="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
    HC_CFLAGS=$extra "$main/build.sh" "$1/$kind"
    lib=$1/$kind/native/$arch
    # shellcheck disable=SC2086
    "$CC" -std=gnu11 -O2 -Wall -Wextra $extra -I"$main" "$here/test_kernels.c" -o "$1/$kind/test" -L"$lib" -lhalcyon_cpu -lm "-Wl,-rpath,$lib"
    "$1/$kind/test"
done
