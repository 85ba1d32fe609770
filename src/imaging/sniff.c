#include <string.h>

#include "imaging/imaging.h"
#include "imaging/scan.h"

static bool starts(const uint8_t *data, size_t size, size_t at, const void *magic, size_t length)
{
    return size >= at + length && memcmp(data + at, magic, length) == 0;
}

#define STARTS(at, text) starts(data, size, (at), (text), sizeof(text) - 1)

enum image_type image_sniff(const void *bytes, size_t size)
{
    const uint8_t *data = bytes;
    if (STARTS(0, "\xff\xd8\xff"))
        return IMAGE_JPEG;
    if (STARTS(0, "\x89PNG\r\n\x1a\n"))
        return IMAGE_PNG;
    if (STARTS(0, "RIFF") && STARTS(8, "WEBP"))
        return IMAGE_WEBP;
    if (STARTS(4, "ftypavif") || STARTS(4, "ftypavis"))
        return IMAGE_AVIF;
    return IMAGE_UNKNOWN;
}

/* SVG and HTML may begin with a byte order mark, blanks or a declaration, so these are looked for further in.
 */
static bool mentions(const uint8_t *data, size_t size, const char *word)
{
    return memmem(data, size < 512 ? size : 512, word, strlen(word)) != NULL;
}

const char *sniff_foreign(const uint8_t *data, size_t size)
{
    if (STARTS(0, "GIF8"))
        return "a GIF image";
    if (STARTS(0, "II*\0") || STARTS(0, "MM\0*") || STARTS(0, "II+\0") || STARTS(0, "MM\0+"))
        return "a TIFF or camera raw image";
    if (STARTS(0, "BM"))
        return "a BMP image";
    if (STARTS(0, "%PDF"))
        return "a PDF document";
    if (STARTS(0, "8BPS"))
        return "a Photoshop document";
    if (STARTS(0, "\xff\x0a") || STARTS(0, "\0\0\0\x0cJXL "))
        return "a JPEG XL image";
    if (STARTS(0, "\0\0\0\x0cjP  "))
        return "a JPEG 2000 image";
    if (STARTS(4, "ftyphei") || STARTS(4, "ftyphev") || STARTS(4, "ftypmif1") || STARTS(4, "ftypmsf1"))
        return "a HEIC photo";
    if (STARTS(4, "ftyp") || STARTS(0, "\x1a\x45\xdf\xa3"))
        return "a video";
    if (STARTS(0, "PK\x03\x04"))
        return "a ZIP archive";
    if (mentions(data, size, "<svg"))
        return "an SVG drawing";
    if (mentions(data, size, "<html") || mentions(data, size, "<!DOCTYPE html"))
        return "a web page";
    return NULL;
}
