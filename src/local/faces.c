/* Happy path: the picture is shrunk to the work size; each view of it, the whole or a part, is shrunk into
 * the middle of a network's square; each place where the network looks tells a score and, from that place, a
 * box and points, which are turned back into pixels of the picture; all are merged at the end. Failure modes:
 * a network cannot be loaded or run; no memory. Invariant: a network that was taken is given back. */
#include "local/faces.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "local/inside.h"

enum {
    WORK_SIDE = 1536,      /* longer side; more shows nothing that counts */
    PART_LEAST = 320,      /* side of the smallest part looked at by itself, work pixels */
    PART_LEVELS = 2,       /* halvings */
    CANDIDATES_MAX = 2048, /* before merging */
    VALUES = 16,           /* a place's: centre, size, then the points */
};

/* How sure a network must be. The near one takes flowers for faces; and among many parts there is more to
 * mistake. */
static const float sure_near = 0.7f, sure_far = 0.55f, sure_part = 0.65f;
static const float same_face = 0.3f; /* overlap */
static const float within = 0.7f;    /* share of the smaller box that lies in the larger */

/* A part of the work picture. */
struct view {
    uint32_t left, top, width, height;
};

struct search {
    struct networks *networks;
    struct pixels work;
    struct face_box *found; /* in work pixels */
    unsigned count;
    double seconds; /* of the runs since the network was taken */
    unsigned runs;
};

/* How a view lies in a network's square: pixel of the square = (pixel of the view) × scale + shift. */
struct fit {
    float scale, shift_x, shift_y;
    uint32_t width, height;
};

static struct fit fit_view(const struct view *v, unsigned side)
{
    float scale = (float)side / (float)MAX(v->width, v->height);
    uint32_t width = MAX((uint32_t)lroundf((float)v->width * scale), 1u),
             height = MAX((uint32_t)lroundf((float)v->height * scale), 1u);
    uint32_t left = (side - width) / 2, top = (side - height) / 2;
    return (struct fit){scale, (float)left, (float)top, width, height};
}

static int fill_input(const struct search *s, const struct view *v, const struct fit *f, unsigned side,
                      float *input, struct error *e)
{
    struct pixels part = {malloc((size_t)3 * v->width * v->height), v->width, v->height, 3}, small;
    if (!part.data)
        return error_set(e, ERR_INTERNAL, "no memory to look for faces");
    for (uint32_t y = 0; y < v->height; y++)
        memcpy(part.data + (size_t)3 * v->width * y,
               s->work.data + 3 * ((size_t)s->work.width * (v->top + y) + v->left), (size_t)3 * v->width);
    int r = image_resize(&part, f->width, f->height, &small, e);
    pixels_release(&part);
    if (r < 0)
        return r;
    for (size_t i = 0; i < (size_t)3 * side * side; i++)
        input[i] = -1.0f;
    for (uint32_t y = 0; y < f->height; y++) {
        float *to = input + 3 * ((size_t)side * (y + (uint32_t)f->shift_y) + (uint32_t)f->shift_x);
        for (uint32_t i = 0; i < 3 * f->width; i++)
            to[i] = (float)small.data[(size_t)3 * f->width * y + i] / 127.5f - 1.0f;
    }
    pixels_release(&small);
    return 0;
}

/* One place's values, seen from (x, y) of the square, as a face of the work picture. */
static struct face_box read_face(const float *v, float x, float y, const struct fit *f,
                                 const struct view *view)
{
    float dx = (float)view->left - f->shift_x / f->scale, dy = (float)view->top - f->shift_y / f->scale;
    float cx = (x + v[0]) / f->scale + dx, cy = (y + v[1]) / f->scale + dy;
    float half_w = fabsf(v[2]) / f->scale / 2, half_h = fabsf(v[3]) / f->scale / 2;
    struct face_box face = {
        .left = cx - half_w, .top = cy - half_h, .right = cx + half_w, .bottom = cy + half_h};
    for (unsigned i = 0; i < FACE_POINTS; i++) {
        face.point[i].x = (x + v[4 + 2 * i]) / f->scale + dx;
        face.point[i].y = (y + v[5 + 2 * i]) / f->scale + dy;
    }
    return face;
}

/* A face that a part's border cuts off is seen whole from another part, or from above. */
static bool is_cut_off(const struct search *s, const struct view *v, const struct face_box *face)
{
    float right = (float)(v->left + v->width), bottom = (float)(v->top + v->height);
    return (v->left > 0 && face->left < (float)v->left) || (v->top > 0 && face->top < (float)v->top) ||
           (v->left + v->width < s->work.width && face->right > right) ||
           (v->top + v->height < s->work.height && face->bottom > bottom);
}

static void read_faces(struct search *s, const struct model *m, const struct view *v, const struct fit *f,
                       float sure, const float *values, const float *scores)
{
    size_t k = 0;
    for (unsigned level = 0; level < ARRAY_LEN(m->faces.stride) && m->faces.stride[level]; level++) {
        unsigned stride = m->faces.stride[level], across = m->side / stride;
        for (unsigned place = 0; place < across * across; place++) {
            unsigned column = place % across, row = place / across;
            float x = ((float)column + 0.5f) * (float)stride, y = ((float)row + 0.5f) * (float)stride;
            for (unsigned anchor = 0; anchor < m->faces.anchors[level]; anchor++, k++) {
                float score = 1.0f / (1.0f + expf(-MIN(MAX(scores[k], -80.0f), 80.0f)));
                if (!(score >= sure) || s->count == CANDIDATES_MAX)
                    continue;
                struct face_box face = read_face(values + VALUES * k, x, y, f, v);
                face.score = score;
                if (!is_cut_off(s, v, &face))
                    s->found[s->count++] = face;
            }
        }
    }
}

static size_t places(const struct model *m)
{
    size_t count = 0;
    for (unsigned i = 0; i < ARRAY_LEN(m->faces.stride) && m->faces.stride[i]; i++) {
        size_t across = m->side / m->faces.stride[i];
        count += across * across * m->faces.anchors[i];
    }
    return count;
}

static int look(struct search *s, const struct model *m, struct network *network, const struct view *v,
                float sure, struct error *e)
{
    float *input;
    struct network_output values = {0}, scores = {0};
    struct fit f = fit_view(v, m->side);
    int r = network_shape(network, m->side, m->side, &input, e);
    if (r == 0)
        r = fill_input(s, v, &f, m->side, input, e);
    if (r < 0)
        return r;
    uint64_t start = clock_mono_ns();
    r = network_run(network, e);
    s->seconds += (double)(clock_mono_ns() - start) / 1e9;
    s->runs++;
    if (r == 0)
        r = network_output(network, 0, &values, e);
    if (r == 0)
        r = network_output(network, 1, &scores, e);
    if (r != 0)
        return r;
    CHECK(scores.count == places(m) && values.count == VALUES * scores.count);
    read_faces(s, m, v, &f, sure, values.data, scores.data);
    return 0;
}

/* How many parts of a side, half overlapping, cover a length. */
static uint32_t parts_along(uint32_t length, uint32_t side)
{
    return length <= side ? 1 : (2 * (length - side) + side - 1) / side + 1;
}

static int look_at_parts(struct search *s, const struct model *m, struct network *network, uint32_t side,
                         struct error *e)
{
    uint32_t across = parts_along(s->work.width, side), down = parts_along(s->work.height, side);
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < across * down; i++) {
        struct view v = {.width = MIN(side, s->work.width), .height = MIN(side, s->work.height)};
        v.left = across > 1 ? i % across * (s->work.width - v.width) / (across - 1) : 0;
        v.top = down > 1 ? i / across * (s->work.height - v.height) / (down - 1) : 0;
        r = look(s, m, network, &v, sure_part, e);
    }
    return r;
}

static int search_with(struct search *s, enum model_id id, float sure, unsigned levels, struct error *e)
{
    const struct model *m = &models[id];
    struct view whole = {0, 0, s->work.width, s->work.height};
    struct network *network;
    int r = networks_take(s->networks, id, 0, 0, &network, e);
    if (r < 0)
        return r;
    s->seconds = 0;
    s->runs = 0;
    r = look(s, m, network, &whole, sure, e);
    uint32_t side = MAX(whole.width, whole.height) / 2;
    for (unsigned level = 0; r == 0 && level < levels && side >= PART_LEAST; level++, side /= 2)
        r = look_at_parts(s, m, network, side, e);
    networks_give_back(s->networks, id);
    if (r == 0)
        networks_measured(s->networks, id, s->seconds / s->runs / ((double)m->side * m->side / 1e6));
    return r;
}

float face_overlap(const struct face_box *a, const struct face_box *b)
{
    float width = MIN(a->right, b->right) - MAX(a->left, b->left),
          height = MIN(a->bottom, b->bottom) - MAX(a->top, b->top);
    if (width <= 0 || height <= 0)
        return 0;
    float both = width * height;
    return both /
           ((a->right - a->left) * (a->bottom - a->top) + (b->right - b->left) * (b->bottom - b->top) - both);
}

static int by_score(const void *a, const void *b)
{
    float x = ((const struct face_box *)a)->score, y = ((const struct face_box *)b)->score;
    return (x < y) - (x > y);
}

static int by_size(const void *a, const void *b)
{
    float x = ((const struct face_box *)a)->bottom - ((const struct face_box *)a)->top,
          y = ((const struct face_box *)b)->bottom - ((const struct face_box *)b)->top;
    return (x < y) - (x > y);
}

/* Everything of a face but its score is a coordinate: sum += face × weight. */
static void add_weighted(struct face_box *sum, const struct face_box *face, float weight)
{
    sum->left += face->left * weight;
    sum->top += face->top * weight;
    sum->right += face->right * weight;
    sum->bottom += face->bottom * weight;
    for (unsigned i = 0; i < FACE_POINTS; i++) {
        sum->point[i].x += face->point[i].x * weight;
        sum->point[i].y += face->point[i].y * weight;
    }
}

/* A nose and a mouth of a large face can look like a small one. */
static bool is_within(const struct face_box *face, const struct face_box *other)
{
    float overlap = face_overlap(face, other);
    float area = (face->right - face->left) * (face->bottom - face->top),
          other_area = (other->right - other->left) * (other->bottom - other->top);
    float shared = overlap * (area + other_area) / (1 + overlap);
    return shared > within * MIN(area, other_area);
}

unsigned faces_merge(struct face_box *faces, unsigned count)
{
    unsigned left = 0;
    qsort(faces, count, sizeof(*faces), by_score);
    while (left < count) {
        struct face_box surest = faces[left], sum = {.score = surest.score};
        float weight = 0;
        unsigned others = left;
        for (unsigned i = left; i < count; i++)
            if (i == left || face_overlap(&surest, &faces[i]) > same_face)
                weight += faces[i].score;
        for (unsigned i = left; i < count; i++) {
            if (i == left || face_overlap(&surest, &faces[i]) > same_face)
                add_weighted(&sum, &faces[i], faces[i].score / weight);
            else if (!is_within(&surest, &faces[i]))
                faces[++others] = faces[i];
        }
        count = others + 1;
        faces[left++] = sum;
    }
    return left;
}

/* The picture at the work size, 3 bands. */
static int shrink(const struct pixels *in, struct pixels *ret, struct error *e)
{
    double scale = MIN(1.0, (double)WORK_SIDE / MAX(in->width, in->height));
    struct pixels p;
    int r = image_resize(in, MAX((uint32_t)(in->width * scale), 1u), MAX((uint32_t)(in->height * scale), 1u),
                         &p, e);
    if (r < 0)
        return r;
    size_t count = (size_t)p.width * p.height;
    for (size_t i = 0; p.bands == 4 && i < count; i++)
        memmove(p.data + 3 * i, p.data + 4 * i, 3);
    p.bands = 3;
    *ret = p;
    return 0;
}

int faces_find(struct local *l, const struct pixels *in, struct face_box *ret, unsigned max,
               unsigned *ret_count, struct error *e)
{
    CHECK(in->bands == 3 || in->bands == 4);
    struct search s = {.networks = &l->networks};
    int r = shrink(in, &s.work, e);
    if (r < 0)
        return r;
    FREE_ON_EXIT struct face_box *found = s.found = mem_alloc(CANDIDATES_MAX * sizeof(*found));
    float scale = (float)in->width / (float)s.work.width;
    r = search_with(&s, MODEL_FACES_NEAR, sure_near, 0, e);
    if (r == 0)
        r = search_with(&s, MODEL_FACES_FAR, sure_far, PART_LEVELS, e);
    pixels_release(&s.work);
    if (r < 0)
        return r;
    unsigned count = faces_merge(found, s.count);
    qsort(found, count, sizeof(*found), by_size);
    *ret_count = MIN(count, max);
    for (unsigned i = 0; i < *ret_count; i++) {
        ret[i] = (struct face_box){.score = found[i].score};
        add_weighted(&ret[i], &found[i], scale);
    }
    return 0;
}
