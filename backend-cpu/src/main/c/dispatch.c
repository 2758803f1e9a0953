/* dispatch.c: the exported functions; chooses the kernel table once at load, again by hc_set_isa. */
#include <stdlib.h>
#include <string.h>
#include "table.h"

#define HC_EXPORT __attribute__((visibility("default")))

static const hc_fn *table = hc_table_generic;
static const char *isa = "generic";
int hc_has_dot;

#if defined(__aarch64__)
#define GENERIC_NAME "neon"
#else
#define GENERIC_NAME "generic"
#endif

static int pick(const char *name) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    hc_has_dot = __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16");
    if ((!name || !strcmp(name, "avx512")) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vbmi") &&
        __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("f16c")) {
        table = hc_table_avx512, isa = "avx512";
        return 1;
    }
    if ((!name || !strcmp(name, "avx2")) && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("f16c")) {
        table = hc_table_avx2, isa = "avx2";
        return 1;
    }
#endif
    if (!name || !strcmp(name, GENERIC_NAME) || !strcmp(name, "generic")) {
        table = hc_table_generic, isa = GENERIC_NAME;
        return 1;
    }
    return 0;
}

HC_EXPORT int32_t hc_abi_version(void) { return HC_ABI_VERSION; }

HC_EXPORT const char *hc_isa(void) { return isa; }

HC_EXPORT int32_t hc_dot(void) { return hc_has_dot && !strcmp(isa, "avx512"); }

HC_EXPORT void hc_set_isa(const char *name) {
    if (!pick(name)) pick(0);
}

__attribute__((constructor)) static void choose(void) { hc_set_isa(getenv("HALCYON_CPU_ISA")); }

HC_EXPORT void hc_run(int32_t kernel, const int64_t *slots, int64_t begin, int64_t end) {
    if (kernel > 0 && kernel < HC_KERNEL_COUNT && begin < end) table[kernel](slots, begin, end);
}
