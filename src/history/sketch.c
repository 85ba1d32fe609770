#include "history/sketch.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "history/wire.h"
#include "tables/error.h"

/* The first byte. Another scale, or another coding, gets another one: what is stored is read for years. */
enum { CODING_64_FROM_13 = 1 };
static_assert(HISTOGRAM_BUCKETS == 64 * 30, "another scale needs another coding");

/* Each bucket i that is not empty, in order. The body may empty it. */
#define EACH_USED(s, i)                                                                                      \
    for (unsigned w_ = 0, i = 0; w_ < SKETCH_WORDS; w_++)                                                    \
        for (uint64_t left_ = (s)->used[w_];                                                                 \
             left_ && (i = w_ * 64 + (unsigned)__builtin_ctzll(left_), true); left_ &= left_ - 1)

void sketch_init(struct sketch *s)
{
    memset(s, 0, sizeof(*s));
}

void sketch_clear(struct sketch *s)
{
    EACH_USED(s, i)
    {
        s->count[i] = 0;
    }
    memset(s->used, 0, sizeof(s->used));
    s->total = 0;
}

static inline void put(struct sketch *s, unsigned bucket, uint64_t count)
{
    s->count[bucket] += count;
    s->total += count;
    s->used[bucket / 64] |= 1ull << bucket % 64;
}

void sketch_put(struct sketch *s, unsigned bucket, uint64_t count)
{
    put(s, bucket, count);
}

void sketch_encode(const struct sketch *s, struct buf *out)
{
    static const uint8_t coding = CODING_64_FROM_13;
    unsigned next = 0;
    if (s->total == 0)
        return;
    buf_append(out, &coding, 1);
    EACH_USED(s, i)
    {
        wire_put(out, i - next);
        wire_put(out, s->count[i]);
        next = i + 1;
    }
}

/* A gap and a count are mostly a byte each; the bits of a word of `used` are gathered before they are set. */
int sketch_merge_coded(struct sketch *s, const void *bytes, size_t size)
{
    struct wire w = {bytes, (const uint8_t *)bytes + size, false};
    uint64_t bucket = 0, total = 0, bits = 0;
    if (size == 0)
        return 0;
    if (*w.at++ != CODING_64_FROM_13)
        return -ERR_INTERNAL;
    int r = 0;
    unsigned word = 0;
    while (w.at < w.end) {
        uint64_t gap, count;
        if (w.end - w.at >= 2 && (w.at[0] | w.at[1]) < 0x80) {
            gap = w.at[0];
            count = w.at[1];
            w.at += 2;
        } else {
            gap = wire_get(&w);
            count = wire_get(&w);
        }
        if (w.failed || gap >= HISTOGRAM_BUCKETS || bucket + gap >= HISTOGRAM_BUCKETS) {
            r = -ERR_INTERNAL;
            break;
        }
        bucket += gap;
        if (bucket / 64 != word) {
            s->used[word] |= bits;
            bits = 0;
            word = (unsigned)(bucket / 64);
        }
        bits |= 1ull << bucket % 64;
        s->count[bucket] += count;
        total += count;
        bucket++;
    }
    s->used[word] |= bits;
    s->total += total;
    return r;
}

static uint64_t rank_of(const struct sketch *s, double q)
{
    uint64_t rank = (uint64_t)ceil(q * (double)s->total);
    return MIN(MAX(rank, 1), s->total);
}

void sketch_quantiles(const struct sketch *s, const double *q, unsigned count, uint64_t *ret)
{
    uint64_t seen = 0, rank = count ? rank_of(s, q[0]) : 0;
    unsigned n = 0;
    EACH_USED(s, i)
    {
        seen += s->count[i];
        while (n < count && seen >= rank) {
            ret[n] = histogram_bucket_ns(i);
            n++;
            rank = n < count ? rank_of(s, q[n]) : UINT64_MAX;
        }
        if (n == count)
            return;
    }
    for (; n < count; n++)
        ret[n] = 0;
}

/* All 64 buckets of a word, used or not: where many are, faster than looking for them, as the compiler takes
 * several at once. Returns how many requests were in them. */
static uint64_t fold_word(uint64_t *restrict from, uint64_t *restrict into)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < 64; i++) {
        sum += from[i];
        into[i] += from[i];
    }
    return sum;
}

/* The bucket of this word in which the request of that rank is; seen: how many are before the word. */
static unsigned find_rank(const struct sketch *s, unsigned word, uint64_t seen, uint64_t rank)
{
    unsigned i = word * 64;
    while (seen + s->count[i] < rank)
        seen += s->count[i++];
    return i;
}

void sketch_fold(struct sketch *s, struct sketch *into, const double *q, unsigned count, uint64_t *ret)
{
    uint64_t seen = 0, rank = count ? rank_of(s, q[0]) : UINT64_MAX;
    unsigned n = 0;
    for (unsigned w = 0; w < SKETCH_WORDS; w++) {
        uint64_t *from = &s->count[w * 64];
        if (!s->used[w])
            continue;
        uint64_t here = fold_word(from, &into->count[w * 64]);
        while (n < count && s->total && seen + here >= rank) {
            ret[n++] = histogram_bucket_ns(find_rank(s, w, seen, rank));
            rank = n < count ? rank_of(s, q[n]) : UINT64_MAX;
        }
        seen += here;
        memset(from, 0, 64 * sizeof(*from));
        into->used[w] |= s->used[w];
        s->used[w] = 0;
    }
    for (; n < count; n++)
        ret[n] = 0;
    into->total += s->total;
    s->total = 0;
}
