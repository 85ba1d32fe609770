/* Two box filters run down the picture, one behind the other. The first keeps, for every column, the sums of
 * colours, plane and their products over the window's rows; a running sum of those along a row gives the
 * window's statistics at each pixel, and these the linear function of that window. The second does the same
 * with the functions, whose last rows lie in a ring, and gives their mean.
 *
 * Invariants: columns hold the rows that the window of the row in work has inside the picture. The sums are
 * doubles: what adding and taking away again leaves behind is then far below what a float can show. */
#include "imaging/guided.h"

#include <math.h>

#include "base/check.h"
#include "base/mem.h"

enum { STATS_MAX = 13 }; /* 3 colours, the plane, 3 products with it, 6 products of colours */

struct guided {
    struct guided_input in;
    double *columns;         /* [x][stats]: sums over the rows of the first window */
    double *function_sums;   /* [x][planes + 1]: the same of the second */
    float *ring;             /* the last 2 × radius + 1 rows of functions, [x][planes + 1] */
    float *row;              /* what guided_next returns */
    uint32_t fitted, handed; /* rows that have their functions; rows handed out */
};

static inline unsigned stats_count(unsigned planes)
{
    return 2 * planes + 1 + planes * (planes + 1) / 2;
}

static inline float *ring_row(const struct guided *f, uint32_t y)
{
    uint32_t rows = 2 * f->in.radius + 1;
    return f->ring + (size_t)(y % rows) * f->in.width * (f->in.planes + 1);
}

int guided_new(const struct guided_input *g, struct guided **ret, struct error *e)
{
    CHECK(g->planes == 1 || g->planes == 3);
    CHECK(g->width > 0 && g->height > 0 && g->radius >= 1 && g->radius <= GUIDED_RADIUS_MAX);
    CHECK(g->epsilon > 0);
    size_t width = g->width, each = g->planes + 1;
    struct guided *f = NEW(struct guided);
    f->in = *g;
    f->columns = calloc(width * stats_count(g->planes), sizeof(*f->columns));
    f->function_sums = calloc(width * each, sizeof(*f->function_sums));
    f->ring = malloc(width * each * (2 * g->radius + 1) * sizeof(*f->ring));
    f->row = calloc(width * each, sizeof(*f->row));
    if (f->columns && f->function_sums && f->ring && f->row) {
        *ret = f;
        return 0;
    }
    guided_free(f);
    error_set(e, ERR_INTERNAL, "no memory to filter a picture of %u × %u", g->width, g->height);
    return -ERR_INTERNAL;
}

void guided_free(struct guided *f)
{
    if (!f)
        return;
    free(f->columns);
    free(f->function_sums);
    free(f->ring);
    free(f->row);
    free(f);
}

/* The functions below are written for any number of planes and compiled for one and for three. */
#define FOR_EACH_COUNT static inline __attribute__((always_inline))

FOR_EACH_COUNT void add_row(struct guided *f, unsigned planes, uint32_t y, double sign)
{
    const unsigned stats = stats_count(planes);
    size_t plane = (size_t)f->in.width * f->in.height, at = (size_t)y * f->in.width;
    for (uint32_t x = 0; x < f->in.width; x++, at++) {
        double v[STATS_MAX], p = (double)f->in.in[at] * sign;
        unsigned k = 2 * planes + 1;
        for (unsigned i = 0; i < planes; i++)
            v[i] = (double)f->in.guide[i * plane + at];
        for (unsigned i = 0; i < planes; i++)
            for (unsigned j = i; j < planes; j++)
                v[k++] = v[i] * v[j] * sign;
        for (unsigned i = 0; i < planes; i++) {
            v[planes + 1 + i] = v[i] * p;
            v[i] *= sign;
        }
        v[planes] = p;
        double *to = f->columns + (size_t)x * stats;
        for (k = 0; k < stats; k++)
            to[k] += v[k];
    }
}

/* Solves (covariance of the colours + epsilon) × slopes = covariance with the plane, by Cholesky. */
FOR_EACH_COUNT void fit(const double *mean, unsigned planes, double epsilon, float *to)
{
    double l[3][3], s[3];
    unsigned k = 2 * planes + 1;
    for (unsigned i = 0; i < planes; i++)
        for (unsigned j = i; j < planes; j++)
            l[j][i] = mean[k++] - mean[i] * mean[j] + (i == j ? epsilon : 0);
    for (unsigned i = 0; i < planes; i++) {
        s[i] = mean[planes + 1 + i] - mean[i] * mean[planes];
        for (unsigned j = 0; j < i; j++) {
            for (unsigned m = 0; m < j; m++)
                l[i][j] -= l[i][m] * l[j][m];
            l[i][j] /= l[j][j];
            l[i][i] -= l[i][j] * l[i][j];
            s[i] -= l[i][j] * s[j];
        }
        l[i][i] = sqrt(fmax(l[i][i], epsilon * 1e-3)); /* rounding never makes it negative */
        s[i] /= l[i][i];
    }
    double offset = mean[planes];
    for (unsigned i = planes; i-- > 0;) {
        for (unsigned j = i + 1; j < planes; j++)
            s[i] -= l[j][i] * s[j];
        s[i] /= l[i][i];
        offset -= s[i] * mean[i];
        to[i] = (float)s[i];
    }
    to[planes] = (float)offset;
}

static inline uint32_t window_rows(const struct guided *f, uint32_t y)
{
    uint32_t r = f->in.radius;
    return MIN(y + r, f->in.height - 1) - (y > r ? y - r : 0) + 1;
}

/* The sums of the first window of a row, but for its last column, which window_mean adds. */
FOR_EACH_COUNT void window_begin(const struct guided *f, const double *columns, unsigned count, double *sum)
{
    for (unsigned k = 0; k < count; k++)
        sum[k] = 0;
    for (uint32_t x = 0; x < MIN(f->in.radius, f->in.width); x++)
        for (unsigned k = 0; k < count; k++)
            sum[k] += columns[(size_t)x * count + k];
}

/* Moves on to the window around x; to be called for every x from 0. */
FOR_EACH_COUNT void window_mean(const struct guided *f, const double *columns, unsigned count, uint32_t x,
                                uint32_t rows, double *sum, double *mean)
{
    uint32_t r = f->in.radius, last = f->in.width - 1;
    if (x + r <= last)
        for (unsigned k = 0; k < count; k++)
            sum[k] += columns[(size_t)(x + r) * count + k];
    double share = 1 / ((double)rows * (MIN(x + r, last) - (x > r ? x - r : 0) + 1));
    for (unsigned k = 0; k < count; k++)
        mean[k] = sum[k] * share;
    if (x >= r)
        for (unsigned k = 0; k < count; k++)
            sum[k] -= columns[(size_t)(x - r) * count + k];
}

/* The functions of row y into the ring. */
FOR_EACH_COUNT void fit_row(struct guided *f, unsigned planes, uint32_t y)
{
    uint32_t r = f->in.radius, height = f->in.height;
    if (y == 0)
        for (uint32_t above = 0; above < MIN(r, height); above++)
            add_row(f, planes, above, 1);
    if (y + r < height)
        add_row(f, planes, y + r, 1);
    if (y > r)
        add_row(f, planes, y - r - 1, -1);

    const unsigned stats = stats_count(planes);
    double sum[STATS_MAX], mean[STATS_MAX];
    float *to = ring_row(f, y);
    window_begin(f, f->columns, stats, sum);
    for (uint32_t x = 0; x < f->in.width; x++) {
        window_mean(f, f->columns, stats, x, window_rows(f, y), sum, mean);
        fit(mean, planes, (double)f->in.epsilon, to + (size_t)x * (planes + 1));
    }
}

static void add_functions(struct guided *f, const float *row, double sign)
{
    size_t count = (size_t)f->in.width * (f->in.planes + 1);
    for (size_t i = 0; i < count; i++)
        f->function_sums[i] += sign * (double)row[i];
}

FOR_EACH_COUNT void hand_out(struct guided *f, unsigned planes, uint32_t y)
{
    if (y > f->in.radius) /* first, as the ring has no room for one row more */
        add_functions(f, ring_row(f, y - f->in.radius - 1), -1);
    while (f->fitted < f->in.height && f->fitted <= y + f->in.radius) {
        fit_row(f, planes, f->fitted);
        add_functions(f, ring_row(f, f->fitted++), 1);
    }
    double sum[STATS_MAX], mean[STATS_MAX];
    window_begin(f, f->function_sums, planes + 1, sum);
    for (uint32_t x = 0; x < f->in.width; x++) {
        window_mean(f, f->function_sums, planes + 1, x, window_rows(f, y), sum, mean);
        for (unsigned k = 0; k <= planes; k++)
            f->row[(size_t)x * (planes + 1) + k] = (float)mean[k];
    }
}

const float *guided_next(struct guided *f)
{
    CHECK(f->handed < f->in.height);
    if (f->in.planes == 1)
        hand_out(f, 1, f->handed++);
    else
        hand_out(f, 3, f->handed++);
    return f->row;
}

int guided_filter(const struct guided_input *g, float *ret, struct error *e)
{
    CHECK(ret != g->in);
    GUIDED_ON_EXIT struct guided *f = NULL;
    int r = guided_new(g, &f, e);
    if (r)
        return r;
    size_t plane = (size_t)g->width * g->height, at = 0;
    for (uint32_t y = 0; y < g->height; y++) {
        const float *row = guided_next(f);
        for (uint32_t x = 0; x < g->width; x++, at++, row += g->planes + 1) {
            ret[at] = row[g->planes];
            for (unsigned i = 0; i < g->planes; i++)
                ret[at] += row[i] * g->guide[i * plane + at];
        }
    }
    return 0;
}
