#include "imaging/scan.h"

#include <string.h>

#include "base/check.h"

/* All walks share one shape: `at` never passes `size`, and a length read from the file is compared with what
 * is left (size - at) before it is added. */

static uint32_t be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t be32(const uint8_t *p)
{
    return be16(p) << 16 | be16(p + 2);
}

static uint32_t le16(const uint8_t *p)
{
    return (uint32_t)p[1] << 8 | p[0];
}

static uint32_t le24(const uint8_t *p)
{
    return (uint32_t)p[2] << 16 | le16(p);
}

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | le24(p);
}

/* ---- JPEG ---- */

enum {
    JPEG_TEM = 0x01,
    JPEG_SOF0 = 0xc0,
    JPEG_SOF2 = 0xc2,
    JPEG_DHT = 0xc4,
    JPEG_JPG = 0xc8,
    JPEG_DAC = 0xcc,
    JPEG_SOF15 = 0xcf,
    JPEG_RST0 = 0xd0,
    JPEG_RST7 = 0xd7,
    JPEG_SOI = 0xd8,
    JPEG_EOI = 0xd9,
    JPEG_SOS = 0xda,
    JPEG_APP0 = 0xe0,
    JPEG_APP14 = 0xee,
};

struct jpeg_walk {
    const uint8_t *data;
    size_t size;
    size_t at;
    uint8_t frame;      /* the SOF marker seen; 0: none yet */
    uint8_t components; /* from the frame header */
    uint8_t adobe;      /* colour transform of the Adobe segment */
    struct image_scan *scan;
};

static bool jpeg_is_frame(uint8_t marker)
{
    return marker >= JPEG_SOF0 && marker <= JPEG_SOF15 && marker != JPEG_DHT && marker != JPEG_JPG &&
           marker != JPEG_DAC;
}

/* To the next marker that is not stuffing, a restart or filling; leaves `at` behind it. 0: the data end.
 * Bytes that belong to no segment are entropy-coded data after the first SOS, and an oddity before it. */
static uint8_t jpeg_next_marker(struct jpeg_walk *w)
{
    while (w->at < w->size) {
        const uint8_t *ff = memchr(w->data + w->at, 0xff, w->size - w->at);
        if (!ff)
            return 0;
        size_t next = (size_t)(ff - w->data) + 1;
        if (next != w->at + 1 && w->scan->passes == 0)
            w->scan->odd_header = true;
        while (next < w->size && w->data[next] == 0xff)
            next++;
        if (next >= w->size)
            return 0;
        uint8_t marker = w->data[next];
        w->at = next + 1;
        if (marker == 0 && w->scan->passes == 0)
            w->scan->odd_header = true;
        if (marker != 0 && marker != JPEG_TEM && (marker < JPEG_RST0 || marker > JPEG_RST7))
            return marker;
    }
    return 0;
}

static enum scan_fault jpeg_frame(struct jpeg_walk *w, uint8_t marker, const uint8_t *body, size_t length)
{
    if (w->frame || length < 6)
        return SCAN_DAMAGED;
    w->frame = marker;
    w->scan->height = be16(body + 1);
    w->scan->width = be16(body + 3);
    w->components = body[5];
    return w->scan->width && w->scan->height ? SCAN_WHOLE : SCAN_NO_PIXELS;
}

/* Some phones write progressive parameters into plain JPEGs, and some programs unknown colour transforms:
 * decoders warn and go on, rightly. */
static enum scan_fault jpeg_start_of_scan(struct jpeg_walk *w, const uint8_t *body, size_t length)
{
    if (!w->frame || length < 1 || length < 4u + 2u * body[0])
        return SCAN_DAMAGED;
    const uint8_t *spectral = body + 1 + 2u * body[0];
    if (w->frame < JPEG_SOF2 && (spectral[0] != 0 || spectral[1] != 63 || spectral[2] != 0))
        w->scan->odd_header = true;
    if ((w->components == 3 && w->adobe > 1) || (w->components == 4 && w->adobe != 0 && w->adobe != 2))
        w->scan->odd_header = true;
    w->scan->passes++;
    return SCAN_WHOLE;
}

static enum scan_fault jpeg_segment(struct jpeg_walk *w, uint8_t marker, const uint8_t *body, size_t length)
{
    if (jpeg_is_frame(marker))
        return jpeg_frame(w, marker, body, length);
    if (marker == JPEG_SOS)
        return jpeg_start_of_scan(w, body, length);
    if (marker == JPEG_APP0 && length >= 6 && memcmp(body, "JFIF", 5) == 0 && body[5] != 1)
        w->scan->odd_header = true;
    if (marker == JPEG_APP14 && length >= 12 && memcmp(body, "Adobe", 5) == 0)
        w->adobe = body[11];
    return SCAN_WHOLE;
}

static enum scan_fault scan_jpeg(const uint8_t *data, size_t size, struct image_scan *scan)
{
    struct jpeg_walk w = {.data = data, .size = size, .at = 2, .scan = scan};
    for (;;) {
        uint8_t marker = jpeg_next_marker(&w);
        if (marker == 0)
            return SCAN_TRUNCATED;
        if (marker == JPEG_EOI)
            return scan->passes > 0 ? SCAN_WHOLE : SCAN_DAMAGED;
        if (marker == JPEG_SOI)
            return SCAN_DAMAGED;
        if (size - w.at < 2)
            return SCAN_TRUNCATED;
        size_t length = be16(data + w.at);
        if (length < 2)
            return SCAN_DAMAGED;
        if (length > size - w.at)
            return SCAN_TRUNCATED;
        enum scan_fault fault = jpeg_segment(&w, marker, data + w.at + 2, length - 2);
        if (fault != SCAN_WHOLE)
            return fault;
        w.at += length;
    }
}

/* ---- PNG ---- */

static enum scan_fault scan_png(const uint8_t *data, size_t size, struct image_scan *scan)
{
    const size_t signature = 8;
    const size_t frame = 12; /* length, name and checksum around a chunk's bytes */
    bool has_data = false;

    for (size_t at = signature;;) {
        if (size - at < 8)
            return SCAN_TRUNCATED;
        uint32_t length = be32(data + at);
        const uint8_t *name = data + at + 4;
        if (length > INT32_MAX)
            return SCAN_DAMAGED;
        if (at == signature) {
            if (length != 13 || memcmp(name, "IHDR", 4) != 0)
                return SCAN_DAMAGED;
            if (size - at < frame + length)
                return SCAN_TRUNCATED;
            scan->width = be32(data + at + 8);
            scan->height = be32(data + at + 12);
            if (scan->width == 0 || scan->height == 0)
                return SCAN_NO_PIXELS;
            if (scan->width > INT32_MAX || scan->height > INT32_MAX)
                return SCAN_DAMAGED;
        }
        if (memcmp(name, "acTL", 4) == 0)
            return SCAN_ANIMATED;
        if (size - at < frame + length)
            return SCAN_TRUNCATED;
        if (memcmp(name, "IDAT", 4) == 0)
            has_data = true;
        if (memcmp(name, "IEND", 4) == 0)
            return has_data ? SCAN_WHOLE : SCAN_DAMAGED;
        at += frame + length;
    }
}

/* ---- WebP ---- */

/* The size as the bitstream states it; body is the chunk's bytes as far as they are there. */
static bool webp_bitstream_size(const uint8_t *name, const uint8_t *body, size_t length, uint32_t *w,
                                uint32_t *h)
{
    if (memcmp(name, "VP8 ", 4) == 0) { /* three bytes of frame tag, a start code, 14 bits each */
        if (length < 10 || memcmp(body + 3, "\x9d\x01\x2a", 3) != 0)
            return false;
        *w = le16(body + 6) & 0x3fff;
        *h = le16(body + 8) & 0x3fff;
        return true;
    }
    if (length < 5 || body[0] != 0x2f)
        return false;
    uint32_t bits = le32(body + 1);
    *w = (bits & 0x3fff) + 1;
    *h = (bits >> 14 & 0x3fff) + 1;
    return true;
}

/* One chunk whose bytes are there. */
static enum scan_fault webp_chunk(const uint8_t *name, const uint8_t *body, size_t length,
                                  struct image_scan *scan, bool *has_data)
{
    if (memcmp(name, "ANIM", 4) == 0 || memcmp(name, "ANMF", 4) == 0)
        return SCAN_ANIMATED;
    if (memcmp(name, "VP8X", 4) == 0) {
        if (length < 10 || scan->width)
            return SCAN_DAMAGED;
        scan->width = le24(body + 4) + 1;
        scan->height = le24(body + 7) + 1;
        return body[0] & 0x02 ? SCAN_ANIMATED : SCAN_WHOLE;
    }
    if (memcmp(name, "VP8 ", 4) != 0 && memcmp(name, "VP8L", 4) != 0)
        return SCAN_WHOLE;

    uint32_t width, height;
    if (*has_data || !webp_bitstream_size(name, body, length, &width, &height))
        return SCAN_DAMAGED;
    *has_data = true;
    if (width == 0 || height == 0)
        return SCAN_NO_PIXELS;
    if (scan->width && (scan->width != width || scan->height != height))
        return SCAN_DAMAGED; /* a still picture fills its canvas */
    scan->width = width;
    scan->height = height;
    return SCAN_WHOLE;
}

static enum scan_fault scan_webp(const uint8_t *data, size_t size, struct image_scan *scan)
{
    if (size < 12)
        return SCAN_TRUNCATED;
    uint32_t riff = le32(data + 4);
    bool cut = riff > size - 8; /* decided at the end: the size of a cut file is worth knowing */
    size_t end = cut ? size : 8 + (size_t)riff;
    bool has_data = false;

    for (size_t at = 12; end > at && end - at >= 8;) {
        size_t length = le32(data + at + 4);
        size_t there = end - at - 8;
        enum scan_fault fault =
            webp_chunk(data + at, data + at + 8, length < there ? length : there, scan, &has_data);
        if (fault != SCAN_WHOLE)
            return cut && fault == SCAN_DAMAGED ? SCAN_TRUNCATED : fault;
        if (length > there)
            return cut ? SCAN_TRUNCATED : SCAN_DAMAGED;
        length += length & 1; /* chunks start at even places; the last one's padding may be missing */
        at = length > there ? end : at + 8 + length;
    }
    if (cut)
        return SCAN_TRUNCATED;
    return has_data ? SCAN_WHOLE : SCAN_DAMAGED;
}

/* ---- AVIF ---- */

struct avif_box {
    const uint8_t *name;
    const uint8_t *body;
    size_t length; /* of the body */
};

/* Steps over the box at *at. SCAN_TRUNCATED: it does not end before size does; its name is known all the same
 * if box->name is not NULL. */
static enum scan_fault avif_next_box(const uint8_t *data, size_t size, size_t *at, struct avif_box *box)
{
    size_t left = size - *at;
    *box = (struct avif_box){0};
    if (left < 8)
        return SCAN_TRUNCATED;
    const uint8_t *p = data + *at;
    box->name = p + 4;
    uint64_t length = be32(p);
    size_t head = 8;
    if (length == 1) { /* a 64-bit length follows the name */
        if (left < 16)
            return SCAN_TRUNCATED;
        length = (uint64_t)be32(p + 8) << 32 | be32(p + 12);
        head = 16;
    } else if (length == 0) { /* up to the end */
        length = left;
    }
    if (length < head)
        return SCAN_DAMAGED;
    if (length > left)
        return SCAN_TRUNCATED;
    box->body = p + head;
    box->length = (size_t)length - head;
    *at += (size_t)length;
    return SCAN_WHOLE;
}

/* meta > iprp > ipco > ispe: the sizes of the picture and of its parts (alpha, tiles, thumbnail), of which
 * the largest counts. */
static enum scan_fault avif_sizes(const uint8_t *data, size_t size, unsigned depth, struct image_scan *scan)
{
    static const char *const path[] = {"iprp", "ipco", "ispe"};
    for (size_t at = 0; at < size;) {
        struct avif_box box;
        enum scan_fault fault = avif_next_box(data, size, &at, &box);
        if (fault != SCAN_WHOLE)
            return SCAN_DAMAGED;
        if (memcmp(box.name, path[depth], 4) != 0)
            continue;
        if (depth < 2) {
            fault = avif_sizes(box.body, box.length, depth + 1, scan);
            if (fault != SCAN_WHOLE)
                return fault;
            continue;
        }
        if (box.length < 12)
            return SCAN_DAMAGED;
        uint32_t width = be32(box.body + 4), height = be32(box.body + 8);
        if (width == 0 || height == 0)
            return SCAN_NO_PIXELS;
        if ((uint64_t)width * height > (uint64_t)scan->width * scan->height) {
            scan->width = width;
            scan->height = height;
        }
    }
    return SCAN_WHOLE;
}

static enum scan_fault scan_avif(const uint8_t *data, size_t size, struct image_scan *scan)
{
    bool has_meta = false;

    if (size >= 12 && memcmp(data + 8, "avis", 4) == 0)
        return SCAN_ANIMATED;
    for (size_t at = 0; at < size;) {
        struct avif_box box;
        enum scan_fault fault = avif_next_box(data, size, &at, &box);
        if (box.name && memcmp(box.name, "moov", 4) == 0)
            return SCAN_ANIMATED;
        if (fault != SCAN_WHOLE)
            return fault;
        CHECK(box.name);
        if (memcmp(box.name, "meta", 4) == 0) {
            if (has_meta || box.length < 4)
                return SCAN_DAMAGED;
            has_meta = true;
            fault = avif_sizes(box.body + 4, box.length - 4, 0, scan);
            if (fault != SCAN_WHOLE)
                return fault;
        }
    }
    if (!has_meta)
        return SCAN_TRUNCATED;
    return scan->width ? SCAN_WHOLE : SCAN_DAMAGED;
}

enum scan_fault scan_image(enum image_type type, const uint8_t *data, size_t size, struct image_scan *ret)
{
    *ret = (struct image_scan){0};
    CHECK(image_sniff(data, size) == type);
    switch (type) {
    case IMAGE_JPEG:
        return scan_jpeg(data, size, ret);
    case IMAGE_PNG:
        return scan_png(data, size, ret);
    case IMAGE_WEBP:
        return scan_webp(data, size, ret);
    case IMAGE_AVIF:
        return scan_avif(data, size, ret);
    case IMAGE_UNKNOWN:
    case IMAGE_TYPE_COUNT:
        break;
    }
    CHECK(false && "no walk for this type");
    return SCAN_DAMAGED;
}
