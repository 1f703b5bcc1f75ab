/* One fused pass over a batch: [lnorm] -> [fbcorr | fbncc] -> pool,
 * every step of it optional.
 *
 * Inside, maps are channels-last, so that a filter row meets size * channels
 * consecutive inputs whatever the number of channels, and filters and channels
 * are the vector lanes.  Everything of one work item (a few images, or a strip
 * of output rows of a big one) stays in a thread's scratch.  Pooling windows
 * are given as lists of [lo, hi) rows and columns: lpool, lpool_alpha,
 * quantize_gridpool and "no pooling" share one implementation.  Window sums are direct
 * and separable (no running sums: an inf or a big value must not leave its
 * window).  Non-finite values propagate: write v < 0 ? 0 : v, not fmaxf. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__AVX512F__)
enum { LANES = 16, NB = 4 }; /* at most 24 accumulators of 32 registers */
#elif defined(__AVX__)
enum { LANES = 8, NB = 2 }; /* 12 of 16 */
#else
enum { LANES = 4, NB = 2 };
#endif
enum { P = 8 }; /* most pixels of a tile: pointers to them fill the integer registers */
enum { PANEL = 1 << 15, BLOCK = 3 << 17, ITEM = 1 << 20 }; /* bytes: L1, half L2, L2 */

typedef float vec __attribute__((vector_size(4 * LANES), may_alias));
typedef float uvec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));
#define INLINE static inline __attribute__((always_inline))

INLINE vec set(float v) { return v + (vec){}; }
INLINE vec choose(ivec where, vec a, vec b) { return (vec)((where & (ivec)a) | (~where & (ivec)b)); }
INLINE vec absolute(vec v) { return (vec)((ivec)v & 0x7fffffff); }
INLINE vec positive(vec v) { return choose(v < 0, set(0), v); } /* keeps nan */

typedef struct {
    const float *x;
    float *out;
    int64_t n, c, h, w, x_stride[4], out_stride[5]; /* out: n, part, c, row, col */
    int64_t norm_size, norm_remove_mean;            /* norm_size 0: no lnorm */
    double threshold;
    const float *filters, *filter_sum, *filter_mean; /* packed; NULL: no correlation */
    int64_t k, size, ncc, ncc_remove_mean, hard_beta;
    double beta;
    int64_t parts; /* 1: x itself; 2: its excess above alpha, then below -alpha */
    double alpha, order;
    int64_t out_h, out_w;
    const int64_t *row_lo, *row_hi, *col_lo, *col_hi;
    int64_t threads;
    int64_t map_w, lanes, ring, raised, per_group, strips; /* set by layer() */
} Layer;

int lanes(void) { return LANES; }

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

/* ---- threads: created per call, so a fork between calls is safe ---- */

typedef struct {
    const Layer *layer;
    atomic_long next, failed;
    long items;
} Work;

typedef struct {
    float *data;
    int64_t size;
} Scratch;

static int run_item(const Layer *, long item, Scratch *);

static void *worker(void *arg)
{
    Work *work = arg;
    Scratch scratch = {NULL, 0};
    for (long i; (i = atomic_fetch_add(&work->next, 1)) < work->items;)
        if (run_item(work->layer, i, &scratch)) {
            atomic_store(&work->failed, 1);
            break;
        }
    free(scratch.data);
    return NULL;
}

static int run_items(const Layer *layer, long items, long threads)
{
    Work work = {layer, 0, 0, items};
    pthread_t ids[256];
    long started = 0;
    threads = min(min(threads, items), 256);
    while (started < threads - 1 && !pthread_create(&ids[started], NULL, worker, &work))
        started++;
    worker(&work);
    while (started--) pthread_join(ids[started], NULL);
    return work.failed ? -1 : 0;
}

/* ---- powers ---- */

INLINE vec log2v(vec x)
{
    static const float c[] = {1.44269502f, -0.721347332f, 0.480910599f, -0.360704839f, 0.287918329f,
                              -0.238920346f, 0.215669855f, -0.207421035f, 0.126148462f};
    ivec bits = (ivec)x, e = (bits - 0x3f3504f3) >> 23; /* mantissa in [sqrt 1/2, sqrt 2) */
    vec f = (vec)(bits - (e << 23)) - 1, r = set(c[8]); /* a Chebyshev fit of log2(1 + f) / f */
    for (int i = 7; i >= 0; i--) r = r * f + c[i];
    return __builtin_convertvector(e, vec) + r * f;
}

INLINE vec exp2v(vec y)
{
    ivec whole = __builtin_convertvector(y + choose(y < 0, set(-.5f), set(.5f)), ivec);
    vec f = (y - __builtin_convertvector(whole, vec)) * 0.693147181f;
    vec r = 1 + f * (1 + f * (0.5f + f * (0.166666667f + f * (0.0416666667f +
            f * (0.00833333333f + f * 0.00138888889f)))));
    return (vec)((ivec)r + (whole << 23));
}

/* x^p for x >= 0 and p > 0; 0, inf and nan map to themselves */
INLINE vec power_real(vec x, float p)
{
    vec y = p * log2v(x), r = exp2v(y);
    r = choose(y > 127.99f, set(INFINITY), r);
    r = choose((y < -126.f) | (x < 1.17549435e-38f), set(0), r);
    return choose(x < INFINITY, r, x);
}

/* ---- window statistics and lnorm ---- */

INLINE void sum_channels(const float *x, int64_t n, const int64_t c, double *sum, double *ssq)
{
    for (int64_t i = 0; i < n; i++) {
        double s = 0, q = 0;
#pragma omp simd reduction(+ : s, q)
        for (int64_t j = 0; j < c; j++) {
            double v = x[i * c + j];
            s += v;
            q += v * v;
        }
        sum[i] = s;
        ssq[i] = q;
    }
}

typedef struct { /* S_k(x) and S_k(x^2) of a map; double, as the variance cancels */
    double *sum, *ssq, *line;
} Stats;

/* in place: an output row never overtakes the rows still to be read */
static void window_sum(double *a, int64_t h, int64_t w, int64_t k, double *restrict line)
{
    int64_t out_w = w - k + 1;
    for (int64_t y = 0; y + k <= h; y++) {
        double *restrict out = a + y * out_w;
        memcpy(line, a + y * w, (size_t)w * sizeof *line);
        for (int64_t i = 1; i < k; i++)
            for (int64_t x = 0; x < w; x++) line[x] += a[(y + i) * w + x];
        memcpy(out, line, (size_t)out_w * sizeof *line);
        for (int64_t i = 1; i < k; i++)
            for (int64_t x = 0; x < out_w; x++) out[x] += line[x + i];
    }
}

static void window_stats(const float *x, int64_t h, int64_t w, int64_t c, int64_t k, const Stats *s)
{
    if (c == 1) sum_channels(x, h * w, 1, s->sum, s->ssq);
    else if (c == 3) sum_channels(x, h * w, 3, s->sum, s->ssq);
    else sum_channels(x, h * w, c, s->sum, s->ssq);
    if (k == 1) return;
    window_sum(s->sum, h, w, k, s->line);
    window_sum(s->ssq, h, w, k, s->line);
}

/* sum becomes the mean to subtract, ssq the factor */
static void lnorm_factors(const Layer *L, int64_t n, double *restrict sum, double *restrict ssq)
{
    double remove = L->norm_remove_mean ? 1. / (double)(L->c * L->norm_size * L->norm_size) : 0;
    double least = L->threshold + 1e-4;
    for (int64_t i = 0; i < n; i++) {
        double v = ssq[i] - sum[i] * (sum[i] * remove);
        double d = 1e-4 + sqrt(v < 0 ? 0 : v);
        ssq[i] = 1 / (d < least ? 1 : d);
        sum[i] *= remove;
    }
}

INLINE void scale_pixels(const float *x, float *out, int64_t n, const int64_t c,
                         const double *mean, const double *factor)
{
    for (int64_t i = 0; i < n; i++) {
        float m = (float)mean[i], f = (float)factor[i];
        for (int64_t j = 0; j < c; j++) out[i * c + j] = (x[i * c + j] - m) * f;
    }
}

static void lnorm(const Layer *L, float *x, int64_t h, const Stats *s)
{
    int64_t k = L->norm_size, w = L->w, c = L->c, out_h = h - k + 1, out_w = w - k + 1;
    int64_t crop = k > 1 ? k / 2 - (k + 1) % 2 : 0;
    window_stats(x, h, w, c, k, s);
    lnorm_factors(L, out_h * out_w, s->sum, s->ssq);
    for (int64_t y = 0; y < out_h; y++) { /* in place: the output never overtakes */
        const float *row = x + ((y + crop) * w + crop) * c;
        float *out = x + y * out_w * c;
        const double *mean = s->sum + y * out_w, *factor = s->ssq + y * out_w;
        if (c == 1) scale_pixels(row, out, out_w, 1, mean, factor);
        else if (c == 3) scale_pixels(row, out, out_w, 3, mean, factor);
        else scale_pixels(row, out, out_w, c, mean, factor);
    }
}

/* fbncc: patch p gives a * (F*x - m * sum F) - F.mean; here a and a * m */
static void ncc_factors(const Layer *L, const float *x, int64_t h, int64_t w,
                        const Stats *s, float *restrict a, float *restrict am)
{
    double remove = L->ncc_remove_mean ? 1. / (double)(L->c * L->size * L->size) : 0;
    window_stats(x, h, w, L->c, L->size, s);
    int64_t map_w = L->map_w, full_w = w - L->size + 1, hard = L->hard_beta;
    double beta = L->beta;
    for (int64_t y = 0; y + L->size <= h; y++)
        for (int64_t i = 0; i < map_w; i++) {
            double sum = s->sum[y * full_w + i], mean = sum * remove;
            double q = s->ssq[y * full_w + i] - sum * mean;
            q = q < 0 ? 0 : q;
            q = hard ? (q < beta ? beta : q) : q + beta;
            a[y * map_w + i] = (float)(1 / sqrt(q));
            am[y * map_w + i] = (float)(mean / sqrt(q));
        }
}

/* ---- correlation ---- */

typedef struct {
    int64_t rows, run, stride; /* a piece of the reduction: rows of run inputs each */
    int first, last;
    const float *f, *filter_sum, *filter_mean;
} Piece;

#ifdef __clang__ /* else it would keep the accumulators in memory */
#define UNROLL _Pragma("unroll")
#else
#define UNROLL
#endif
#define EACH_PIXEL UNROLL for (int p = 0; p < np; p++)
#define EACH_VECTOR UNROLL for (int j = 0; j < nb; j++)

/* np pixels by nb vectors of filters, accumulated in registers */
INLINE void tile(const Layer *L, const Piece *q, const int nb, const int np, const float *x0,
                 const int64_t *off, const float *a, const float *am, float *out)
{
    const int64_t ld = L->lanes;
    const float *x[P], *f = q->f;
    vec acc[P][NB];
    EACH_PIXEL {
        x[p] = x0 + off[p];
        EACH_VECTOR
            acc[p][j] = q->first ? set(0) : *(vec *)(out + p * ld + j * LANES);
    }
    for (int64_t r = 0; r < q->rows; r++) {
        for (int64_t i = 0; i < q->run; i++, f += nb * LANES)
            EACH_PIXEL
                EACH_VECTOR
                    acc[p][j] += x[p][i] * *(const vec *)(f + j * LANES);
        EACH_PIXEL x[p] += q->stride;
    }
    if (q->last && a)
        EACH_PIXEL
            EACH_VECTOR
                acc[p][j] = acc[p][j] * a[p] - am[p] * *(vec *)(q->filter_sum + j * LANES) -
                            *(vec *)(q->filter_mean + j * LANES);
    if (q->last && L->raised && L->order == 2)
        EACH_PIXEL
            EACH_VECTOR acc[p][j] *= acc[p][j];
    EACH_PIXEL
        EACH_VECTOR *(vec *)(out + p * ld + j * LANES) = acc[p][j];
}

typedef void Tiles(const Layer *, const Piece *, const float *x, const int64_t *off, int64_t n,
                   const float *a, const float *am, float *out);
#define TILES(nb, np)                                                                         \
    static void tiles##nb(const Layer *L, const Piece *q, const float *x, const int64_t *off, \
                          int64_t n, const float *a, const float *am, float *out)             \
    {                                                                                         \
        for (int64_t i = 0; i < n; i += np)                                                   \
            tile(L, q, nb, np, x, off + i, a ? a + i : a, am + i, out + i * L->lanes);        \
    }
#if defined(__AVX512F__)
TILES(1, 8) TILES(2, 8) TILES(3, 8) TILES(4, 6)
static Tiles *const tiles[] = {NULL, tiles1, tiles2, tiles3, tiles4};
#else
TILES(1, 8) TILES(2, 6)
static Tiles *const tiles[] = {NULL, tiles1, tiles2};
#endif

/* out (n, lanes) = filters * x at the n pixels off; filters go through L1 in panels */
static void correlate(const Layer *L, const float *x, const int64_t *off, int64_t n,
                      int64_t stride, const float *a, const float *am, float *out)
{
    int64_t run = L->size * L->c, vectors = L->lanes / LANES, blocks = ceil_div(vectors, NB);
    const float *f = L->filters;
    for (int64_t b = 0, v = 0; b < blocks; b++) {
        int64_t nb = vectors * (b + 1) / blocks - v, steps = PANEL / (4 * LANES * nb);
        int64_t rows = max(1, min(steps / run, L->size));
        int64_t cut = ceil_div(run, ceil_div(run, steps));
        for (int64_t r = 0; r < L->size; r += rows)
            for (int64_t i = 0; i < run; i += cut) {
                Piece q = {min(rows, L->size - r), min(cut, run - i), stride, !r && !i,
                           r + rows >= L->size && i + cut >= run, f,
                           L->filter_sum + v * LANES, L->filter_mean + v * LANES};
                tiles[nb](L, &q, x + r * stride + i, off, n, a, am, out + v * LANES);
                f += q.rows * q.run * nb * LANES;
            }
        v += nb;
    }
}

/* ---- pooling ---- */

INLINE vec part_of(vec v, int64_t part, float alpha) /* 0: x; 1: above; 2: below */
{
    if (part == 0) return v;
    return positive((part == 1 ? v : -v) - alpha);
}

/* t = |part(x)|^order over n floats, in whole vectors; order 1 keeps signs */
static void raise(const Layer *L, const float *x, int64_t n, int64_t part, float *t)
{
    float alpha = (float)L->alpha, order = (float)L->order;
#define EACH(power)                                            \
    for (int64_t i = 0; i < n; i += LANES) {                   \
        vec v = part_of(*(const uvec *)(x + i), part, alpha);  \
        *(vec *)(t + i) = power;                               \
    }
    if (order == 1) EACH(v)
    else if (order == 2) EACH(v * v)
    else EACH(power_real(absolute(v), order))
#undef EACH
}

static void root(const Layer *L, float *x, int64_t n)
{
    float inverse = (float)(1 / L->order);
    if (L->order == 1) return;
    if (L->order == 2)
        for (int64_t i = 0; i < n; i++) x[i] = sqrtf(x[i]);
    else
        for (int64_t i = 0; i < n; i += LANES) {
            vec v = *(vec *)(x + i);
            *(vec *)(x + i) = power_real(positive(v), inverse);
        }
}

/* Adds a raised row, summed over each window of columns, to n rows of windows, of
 * which the first old ones have been started. */
INLINE void add_row(const Layer *L, const float *t, int64_t ld, float *rows[], int64_t n, int64_t old)
{
    for (int64_t j = 0; j < L->out_w; j++) {
        const float *from = t + L->col_lo[j] * ld;
        int64_t width = L->col_hi[j] - L->col_lo[j], to = j * L->lanes;
        for (int64_t v = 0; v < L->lanes; v += LANES) {
            vec s = *(const uvec *)(from + v);
            for (int64_t i = 1; i < width; i++) s += *(const uvec *)(from + i * ld + v);
            for (int64_t i = 0; i < old; i++) *(vec *)(rows[i] + to + v) += s;
            for (int64_t i = old; i < n; i++) *(vec *)(rows[i] + to + v) = s;
        }
    }
}

/* ---- one work item ---- */

static void load(const Layer *L, int64_t image, int64_t y0, int64_t h, float *to)
{
    const int64_t *s = L->x_stride, c = L->c, w = L->w;
    const float *x = L->x + image * s[0] + y0 * s[2];
    for (int64_t y = 0; y < h; y++, to += w * c, x += s[2])
        if (s[1] == 1 && s[3] == c) memcpy(to, x, (size_t)(w * c) * sizeof *to);
        else if (c == 1 && s[3] == 1) memcpy(to, x, (size_t)w * sizeof *to);
        else
            for (int64_t i = 0; i < c; i++)
                for (int64_t j = 0; j < w; j++) to[j * c + i] = x[i * s[1] + j * s[3]];
}

static void store(const Layer *L, int64_t image, int64_t part, int64_t row, const float *from)
{
    const int64_t *s = L->out_stride, channels = L->filters ? L->k : L->c, w = L->out_w;
    float *out = L->out + image * s[0] + part * s[1] + row * s[3];
    if (s[2] == 1 && s[4] == L->lanes && channels == L->lanes)
        memcpy(out, from, (size_t)(w * channels) * sizeof *out);
    else if (s[2] == 1)
        for (int64_t j = 0; j < w; j++)
            memcpy(out + j * s[4], from + j * L->lanes, (size_t)channels * sizeof *out);
    else
        for (int64_t i = 0; i < channels; i++)
            for (int64_t j = 0; j < w; j++) out[i * s[2] + j * s[4]] = from[j * L->lanes + i];
}

typedef struct { /* scratch sizes of an item, in floats, and its parts */
    int64_t images, rows, x_h, x_size, a_size, out_row, block;
    float *x, *out, *map, *a, *am;
    Stats stats;
    float *t;
    int64_t *off;
} Item;

static void item_sizes(const Layer *L, Item *I, int64_t images, int64_t rows)
{
    I->images = images;
    I->rows = rows;
    I->x_h = rows + (L->filters ? L->size - 1 : 0) + (L->norm_size ? L->norm_size - 1 : 0);
    I->x_size = I->x_h * L->w * L->c;
    I->a_size = L->ncc ? rows * L->map_w : 0;
    I->out_row = L->out_w * L->lanes;
    I->block = min(images * rows, max(1, BLOCK / (4 * L->lanes * L->map_w)));
}

static int allocate(const Layer *L, Item *I, Scratch *scratch)
{
    int64_t pixels = I->block * L->map_w + P, unit = 16;
    int64_t sizes[] = {I->images * I->x_size + LANES, L->ring * L->parts * I->out_row,
                       L->filters ? pixels * L->lanes : 0, I->images * I->a_size + P,
                       I->images * I->a_size + P, 2 * I->x_h * L->w, 2 * I->x_h * L->w, 2 * L->w,
                       L->raised ? 0 : L->map_w * max(L->lanes, L->c) + LANES, 2 * pixels};
    void **parts[] = {(void **)&I->x, (void **)&I->out, (void **)&I->map, (void **)&I->a,
                      (void **)&I->am, (void **)&I->stats.sum, (void **)&I->stats.ssq,
                      (void **)&I->stats.line, (void **)&I->t, (void **)&I->off};
    enum { N = sizeof sizes / sizeof *sizes };
    int64_t total = 0;
    for (int i = 0; i < N; i++) total += ceil_div(sizes[i], unit) * unit;
    if (total > scratch->size) {
        free(scratch->data);
        scratch->data = aligned_alloc(64, (size_t)total * sizeof(float));
        scratch->size = total;
    }
    if (!scratch->data) return -1;
    float *at = scratch->data;
    for (int i = 0; i < N; i++) {
        *parts[i] = at;
        at += ceil_div(sizes[i], unit) * unit;
    }
    return 0;
}

/* Adds row y of a map to the windows o0..o1 that contain it, which are kept in a
 * ring of rows, and stores the windows that it completes. */
static void pool_row(const Layer *L, const Item *I, const float *x, int64_t ld, int64_t image,
                     int64_t y, int64_t o0, int64_t o1)
{
    while (o0 < o1 && L->row_hi[o0] <= y) o0++;
    while (o0 < o1 && L->row_lo[o1 - 1] > y) o1--;
    if (o0 == o1) return;
    for (int64_t part = 0; part < L->parts; part++) {
        float *rows[o1 - o0];
        int64_t old = 0;
        for (int64_t o = o0; o < o1; o++) {
            rows[o - o0] = I->out + (o % L->ring * L->parts + part) * I->out_row;
            old += L->row_lo[o] < y;
        }
        if (!L->raised) raise(L, x, L->map_w * ld, L->parts > 1 ? part + 1 : 0, I->t);
        add_row(L, L->raised ? x : I->t, ld, rows, o1 - o0, old);
        for (int64_t o = o0; o < o1 && L->row_hi[o] == y + 1; o++) {
            root(L, rows[o - o0], I->out_row);
            store(L, image, part, o, rows[o - o0]);
        }
    }
}

static int run_item(const Layer *L, long item, Scratch *scratch)
{
    int64_t n0 = item / L->strips * L->per_group, strip = item % L->strips;
    int64_t o0 = L->out_h * strip / L->strips, o1 = L->out_h * (strip + 1) / L->strips;
    int64_t images = min(L->per_group, L->n - n0), y0 = L->row_lo[o0];
    Item I;
    item_sizes(L, &I, L->per_group, L->row_hi[o1 - 1] - y0);
    if (allocate(L, &I, scratch)) return -1;

    int64_t lost = L->norm_size ? L->norm_size - 1 : 0, h = I.x_h - lost, w = L->w - lost;
    for (int64_t i = 0; i < images; i++) {
        float *x = I.x + i * I.x_size, *a = I.a + i * I.a_size, *am = I.am + i * I.a_size;
        load(L, n0 + i, y0, I.x_h, x);
        if (L->norm_size) lnorm(L, x, I.x_h, &I.stats);
        if (L->ncc) ncc_factors(L, x, h, w, &I.stats, a, am);
    }
    int64_t rows = images * I.rows, stride = w * L->c;
    for (int64_t r = 0; r < rows; r += I.block) {
        int64_t end = min(rows, r + I.block), n = 0;
        if (L->filters) {
            for (int64_t q = r; q < end; q++)
                for (int64_t j = 0; j < L->map_w; j++)
                    I.off[n++] = q / I.rows * I.x_size + q % I.rows * stride + j * L->c;
            for (int i = 0; i < P; i++) I.off[n + i] = I.off[n - 1];
            correlate(L, I.x, I.off, n, stride, L->ncc ? I.a + r * L->map_w : NULL,
                      I.am + r * L->map_w, I.map);
        }
        for (int64_t q = r; q < end; q++) {
            int64_t image = q / I.rows, y = q % I.rows;
            const float *x = L->filters ? I.map + (q - r) * L->map_w * L->lanes
                                        : I.x + image * I.x_size + y * stride;
            pool_row(L, &I, x, L->filters ? L->lanes : L->c, n0 + image, y0 + y, o0, o1);
        }
    }
    return 0;
}

/* Runs a pass. Items are groups of a few images, so that small maps fill tiles and
 * reuse filters in cache; images are cut into strips if there are too few of them
 * for the threads. Returns -1 if memory cannot be allocated. */
int layer(Layer *L)
{
    L->map_w = L->col_hi[L->out_w - 1]; /* only columns that a window covers */
    L->lanes = ceil_div(L->filters ? L->k : L->c, LANES) * LANES;
    L->raised = L->parts == 1 && (L->order == 1 || (L->order == 2 && L->filters));
    L->ring = 1;
    for (int64_t i = 0; i + L->ring < L->out_h; i++)
        while (i + L->ring < L->out_h && L->row_lo[i + L->ring] < L->row_hi[i]) L->ring++;
    L->strips = L->n % L->threads && L->n < 4 * L->threads ? min(L->threads, L->out_h) : 1;
    Item I;
    item_sizes(L, &I, 1, L->row_hi[L->out_h - 1]);
    int64_t fit = min(ITEM / (4 * I.x_size), BLOCK / (4 * L->lanes * I.rows * L->map_w));
    int64_t groups = ceil_div(L->n, L->strips > 1 ? 1 : max(1, fit));
    if (L->strips == 1) groups = min(L->n, ceil_div(groups, L->threads) * L->threads);
    L->per_group = ceil_div(L->n, groups);
    groups = ceil_div(L->n, L->per_group);
    return run_items(L, groups * L->strips, L->threads);
}

/* filters (k, c, size, size) to [block][row][col][c][lane], blocks of at most NB vectors */
void pack(const float *filters, int64_t k, int64_t c, int64_t size, float *out)
{
    int64_t vectors = ceil_div(k, LANES), blocks = ceil_div(vectors, NB), area = size * size;
    for (int64_t b = 0, v = 0; b < blocks; b++) {
        int64_t end = vectors * (b + 1) / blocks;
        for (int64_t i = 0; i < area; i++)
            for (int64_t j = 0; j < c; j++)
                for (int64_t l = v * LANES; l < end * LANES; l++)
                    *out++ = l < k ? filters[(l * c + j) * area + i] : 0;
        v = end;
    }
}
