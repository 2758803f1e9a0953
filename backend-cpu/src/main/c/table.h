/* table.h: the kernel table that every instruction set's unit exports. */
#ifndef HC_TABLE_H
#define HC_TABLE_H
#include "halcyon_cpu.h"

typedef void (*hc_fn)(const int64_t *slots, int64_t begin, int64_t end);

extern const hc_fn hc_table_generic[HC_KERNEL_COUNT];
#if defined(__x86_64__)
extern const hc_fn hc_table_avx2[HC_KERNEL_COUNT];
extern const hc_fn hc_table_avx512[HC_KERNEL_COUNT];
#endif
#endif
