#include "imaging/page.h"

#include "base/check.h"

enum { ROWS_MAX = 3 };

/* Panels in each row, from top to bottom; rows are equally high, and so are a row's panels equally wide. */
static const struct {
    unsigned rows, in_row[ROWS_MAX];
} layouts[PAGE_PANELS_MAX + 1] = {
    [1] = {1, {1}},    [2] = {2, {1, 1}},    [3] = {2, {1, 2}},
    [4] = {2, {2, 2}}, [5] = {3, {2, 1, 2}}, [6] = {3, {2, 2, 2}},
};

/* One of `count` equal pieces of a side, with gaps around and between; the pieces end where the side does. */
static void divide(uint32_t side, unsigned count, unsigned i, uint32_t *ret_at, uint32_t *ret_length)
{
    CHECK(count > 0 && i < count);
    uint32_t free = side - PAGE_GAP * (count + 1);
    uint32_t from = free * i / count, to = free * (i + 1) / count;
    *ret_at = PAGE_GAP * (i + 1) + from;
    *ret_length = to - from;
}

void page_cell(unsigned count, unsigned i, bool right_to_left, uint32_t *ret_x, uint32_t *ret_y,
               uint32_t *ret_width, uint32_t *ret_height)
{
    CHECK(count >= 1 && count <= PAGE_PANELS_MAX && i < count);
    const unsigned *row = layouts[count].in_row;
    unsigned r = 0;
    for (; i >= row[r]; r++)
        i -= row[r];
    divide(PAGE_HEIGHT, layouts[count].rows, r, ret_y, ret_height);
    divide(PAGE_WIDTH, row[r], right_to_left ? row[r] - 1 - i : i, ret_x, ret_width);
}
