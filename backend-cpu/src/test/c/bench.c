/* bench.c: speed of the C tier, contestants interleaved in one process. usage: bench [threads] [rounds] [part...]
 * parts: gemv moe gemm attn. Medians (best); GEMV as a ratio to the read bandwidth measured in the same round. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include "halcyon_cpu.h"

#define P(x) ((int64_t)(intptr_t)(x))
static int threads = 2, rounds = 9;
static void *scratch[64];
static atomic_long ticket, go, done;
static int job_k;
static int64_t job_s[40], job_n, job_chunk;

static void work(int me) {
    int64_t s[40];
    memcpy(s, job_s, sizeof s);
    s[0] = P(scratch[me]);
    for (;;) {
        int64_t b = atomic_fetch_add(&ticket, job_chunk);
        if (b >= job_n) return;
        hc_run(job_k, s, b, b + job_chunk < job_n ? b + job_chunk : job_n);
    }
}
static void *worker(void *arg) {
    for (long seen = 0;;) {
        while (atomic_load(&go) == seen) sched_yield();
        seen++;
        work((int)(intptr_t)arg);
        atomic_fetch_add(&done, 1);
    }
    return 0;
}
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static double run(int k, const int64_t *s, int ns, int64_t n, int64_t chunk) {
    job_k = k, job_n = n, job_chunk = chunk;
    memcpy(job_s, s, 8 * (size_t)ns);
    atomic_store(&ticket, 0), atomic_store(&done, 0);
    double t = now();
    atomic_fetch_add(&go, 1);
    work(0);
    while (atomic_load(&done) < threads - 1) {}
    return now() - t;
}
static void *mem(size_t n) {
    void *p = mmap(0, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(p, n, MADV_HUGEPAGE);
    memset(p, 0, n);
    return p;
}
static int64_t dbits(double d) { int64_t v; memcpy(&v, &d, 8); return v; }
static int cmp(const void *a, const void *b) { double d = *(double *)a - *(double *)b; return d > 0 ? 1 : d < 0 ? -1 : 0; }
static double median(double *v, int n) { qsort(v, (size_t)n, 8, cmp); return v[n / 2]; }
static int64_t rowbytes(int wt, int64_t k) { return wt == 0 ? 4 * k : wt < 3 ? 2 * k : wt == 5 ? k / 2 : k; }
static void fill(void *p, int wt, int64_t n, double amp) {
    int64_t s[5] = {0, P(p), wt, 7, dbits(amp)};
    run(HC_FILL_RANDOM, s, 5, n, 1 << 16);
}
static const char *names[] = {"f32", "f16", "bf16", "fp8 128x128", "i8 row", "i4 g32 f16", "i4 g128 f16", "i8 g32 f16"};
static const int types[] = {0, 1, 2, 3, 4, 5, 5, 4};
static void weights(int i, int64_t *w, void *data, int64_t K, void *sc) {
    const int64_t bk[] = {0, 0, 0, 128, K, 32, 128, 32};
    int64_t v[9] = {P(data), rowbytes(types[i], K), types[i], i < 3 ? 0 : P(sc), i < 4 ? 0 : 1, i == 3 ? 128 : 1, bk[i],
                    i < 3 ? 0 : (K + bk[i] - 1) / bk[i], 0};
    memcpy(w, v, sizeof v);
}

static void gemv(char *data, char *sc, float *x, float *y, size_t bytes, int64_t K, int64_t M) {
    double r[8][64], g[8][64], bw[64];
    for (int q = -1; q < rounds; q++) {
        int64_t b[2] = {0, P(data)};
        double base = (double)bytes / run(HC_READ_BANDWIDTH, b, 2, (int64_t)(bytes / 64), 4096) / 1e9;
        if (q >= 0) bw[q] = base;
        for (int i = 0; i < 8; i++) {
            int64_t rb = rowbytes(types[i], K), N = (int64_t)bytes / rb;
            int64_t s[20] = {0, P(x), K, M, N, K, P(y), N, 0, 0, 0};
            weights(i, s + 11, data, K, sc);
            double sb = i < 3 ? 0 : (double)(N / s[16]) * (double)s[18] * (i == 3 ? 4 : 2), again = 0;
            double t = run(HC_LINEAR, s, 20, N, (96 << 10) / rb / 24 * 24 + 24);
            if (i & 1) again = (double)bytes / run(HC_READ_BANDWIDTH, b, 2, (int64_t)(bytes / 64), 4096) / 1e9;
            if (q >= 0) g[i][q] = ((double)(rb * N) + sb) / t / 1e9, r[i][q] = g[i][q] / base;
            if (again > 0) base = again;
        }
    }
    printf("GEMV M=%ld K=%ld, %zu MiB: read %.1f GB/s\n", (long)M, (long)K, bytes >> 20, median(bw, rounds));
    for (int i = 0; i < 8; i++) {
        double m = median(r[i], rounds);
        printf("  %-12s %.2f (%.2f)  %.1f GB/s\n", names[i], m, r[i][rounds - 1], median(g[i], rounds));
    }
}

/* decode of a mixture: 8 of 64 experts of [1408,2048] at a time through ROUTE, GATE_UP and DOWN */
static void moe(char *data, char *sc, float *x, float *y, int wi, int64_t T) {
    const int64_t H = 2048, I = 1408, E = T == 1 ? 24 : 16, k = T == 1 ? 6 : 4, wt = types[wi], one = I * rowbytes((int)wt, H);
    int64_t ex[64 * 9];
    for (int64_t e = 0; e < E; e++) {
        int64_t g[9], d[9];
        weights(wi, g, data + 3 * e * one, H, sc), weights(wi, d, data + (3 * e + 2) * one, I, sc);
        int64_t v[9] = {g[0], g[3], g[0] + one, g[3], d[0], d[3], I, d[1], d[7]};
        memcpy(ex + 9 * e, v, sizeof v);
    }
    int64_t g[9], d[9];
    weights(wi, g, data, H, sc), weights(wi, d, data, I, sc);
    static int32_t ids[4096], off[66], rows[8192], tasks[8192], count;
    static float gate[4096], w[8192];
    float *h = mem((size_t)(T * k * I) * 4);
    double v[64], bw[64];
    for (int q = -2; q < rounds; q++) {
        int64_t b[2] = {0, P(data)}, bytes = 3 * E * one;
        double base = (double)bytes / run(HC_READ_BANDWIDTH, b, 2, bytes / 64, 4096), t = now();
        for (int rep = 0; rep < (T == 1 ? 8 : 1); rep++) {
            for (int64_t i = 0; i < T * k; i++) ids[i] = (int32_t)((i * (T == 1 ? 1 : 5) + rep * k) % E), gate[i] = 0.1f;
            int64_t r[14] = {0, P(ids), P(gate), T, k, E, 0, P(off), P(rows), P(w), P(ex), 48, P(tasks), P(&count)};
            run(HC_MOE_ROUTE, r, 14, 1, 1);
            int64_t a[18] = {0, P(x), H, H, P(ex), P(off), P(rows), P(tasks), P(&count), 48, P(h), I, wt, g[1], g[4], g[5], g[6], g[7]};
            run(HC_MOE_GATE_UP, a, 18, count, 1);
            int64_t c[18] = {0, P(h), I, T, H, P(ex), E, P(off), P(rows), P(w), P(y), H, 0, 0, wt, d[4], d[5], d[6]};
            run(HC_MOE_DOWN, c, 18, H, T == 1 ? 48 : 96);
        }
        t = now() - t;
        if (q >= 0) v[q] = T == 1 ? 8.0 * 3 * (double)(k * one) / t / base : 6.0 * (double)(T * k * H * I) / t / 1e9, bw[q] = base / 1e9;
    }
    if (T == 1) printf("MoE decode 6 of 24 experts [1408x2048] %-12s %.2f of %.1f GB/s\n", names[wi], median(v, rounds), median(bw, rounds));
    else printf("MoE prefill T=%ld top4 of 16 [1408x2048] %-12s %.0f GFLOP/s\n", (long)T, names[wi], median(v, rounds));
}

static void gemm(char *data, char *sc, float *x, float *y) {
    const int64_t Ms[] = {8, 16, 48, 128, 256, 1024}, K = 4096, N = 4096;
    for (int m = 0; m < 6; m++) {
        double v[8][64];
        for (int q = -1; q < rounds; q++)
            for (int i = 0; i < 6; i++) {
                int64_t s[20] = {0, P(x), K, Ms[m], N, K, P(y), N, 0, 0, 0};
                weights(i, s + 11, data, K, sc);
                double t = run(HC_LINEAR, s, 20, N, 96);
                if (q >= 0) v[i][q] = 2.0 * (double)(Ms[m] * K * N) / t / 1e9;
            }
        printf("GEMM M=%-4ld", (long)Ms[m]);
        for (int i = 0; i < 6; i++) printf("  %s %.0f", names[i], median(v[i], rounds));
        printf(" GFLOP/s\n");
    }
}

static void decode(char *cache, float *q, float *out, int64_t H, int64_t C, int64_t R) {
    const int64_t D = C + R, ctx = 4096, ns = 16;
    static int32_t table[64], seq, pos = 4095;
    for (int i = 0; i < 64; i++) table[i] = i;
    float *part = mem((size_t)(ns * H * (C + 2)) * 4);
    double v[64];
    for (int r = -2; r < rounds; r++) {
        int64_t s[23] = {0, P(q), H * D, D, H, C, R, P(cache), 2 * D, HC_BF16, P(table), 64, 64, P(&seq), P(&pos), dbits(0.05), ns, ctx / ns, P(part), 1};
        int64_t g[8] = {0, P(part), ns, H, C, P(out), H * C, C};
        double t = run(HC_MLA_DECODE, s, 23, ns, 1) + run(HC_MLA_MERGE, g, 8, H, 2);
        if (r >= 0) v[r] = 2.0 * (double)(H * ctx * (D + C)) / t / 1e9;
    }
    double m = median(v, rounds);
    printf("MLA decode H=%ld %ld/%ld ctx 4096: %.0f GFLOP/s, %.3f ms\n", (long)H, (long)D, (long)C, m, 2e-6 * (double)(H * ctx * (D + C)) / m);
}
static void prefill(char *cache, char *w, float *q, float *out, int64_t H, int64_t T) {
    const int64_t nope = 128, R = 64, V = 128, C = 512, D = 192;
    static int32_t table[64], pos[4096], start[2];
    for (int i = 0; i < 64; i++) table[i] = i;
    for (int i = 0; i < T; i++) pos[i] = i;
    start[1] = (int32_t)T;
    double v[64];
    for (int r = -1; r < rounds; r++) {
        int64_t s[33] = {0, P(q), H * D, D, H, nope, R, V, C, P(cache), 2 * (C + R), HC_BF16, P(table), 64, 64, P(start), 0, P(pos),
                         dbits(0.07), P(out), H * V, V, T, 1, P(w), 2 * C, HC_BF16, 0, 0, 1, 1, 0, 0};
        double t = run(HC_MLA_PREFILL, s, 33, H, 1);
        if (r >= 0) v[r] = 2.0 * (double)H * ((double)(T * (nope + V) * C) + (double)(T * (T + 1) / 2 * (D + V))) / t / 1e9;
    }
    printf("MLA prefill H=%ld T=%ld 192/128 (kv_b expansion counted): %.0f GFLOP/s\n", (long)H, (long)T, median(v, rounds));
}

int main(int argc, char **argv) {
    if (argc > 1) threads = atoi(argv[1]);
    if (argc > 2) rounds = atoi(argv[2]);
    for (int i = 0; i < threads; i++) {
        scratch[i] = mem(HC_SCRATCH_BYTES);
        pthread_t t;
        if (i) pthread_create(&t, 0, worker, (void *)(intptr_t)i);
    }
    const size_t big = (size_t)512 << 20;
    char *data = mem(big), *sc = mem(64 << 20);
    float *x = mem(32 << 20), *y = mem(64 << 20);
    fill(data, HC_BF16, (int64_t)big / 2, 0.02), fill(x, HC_F32, 8 << 20, 1), fill(sc, HC_F32, 16 << 20, 0.01);
    printf("isa %s, %d threads\n", hc_isa(), threads);
    for (int a = 3; a < (argc > 3 ? argc : 7); a++) {
        const char *parts[] = {"gemv", "moe", "gemm", "attn"}, *part = argc > 3 ? argv[a] : parts[a - 3];
        if (!strcmp(part, "gemv")) gemv(data, sc, x, y, big, 2048, 1), gemv(data, sc, x, y, big, 7168, 1), gemv(data, sc, x, y, big / 4, 2048, 4);
        if (!strcmp(part, "moe")) {
            for (int i = 1; i < 6; i++) moe(data, sc, x, y, i, 1);
            for (int i = 2; i < 6; i++) moe(data, sc, x, y, i, 256);
        }
        if (!strcmp(part, "gemm")) gemm(data, sc, x, y);
        if (!strcmp(part, "attn")) {
            decode(data, x, y, 16, 512, 64), decode(data, x, y, 16, 256, 32), decode(data, x, y, 128, 512, 64);
            prefill(data, data, x, y, 16, 512), prefill(data, data, x, y, 8, 2048);
        }
    }
    return 0;
}
