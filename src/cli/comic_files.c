#include "cli/comic_files.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "base/words.h"
#include "cli/inputs.h"
#include "comic/book.h"

enum { LINES_BYTES_MAX = 256 << 10 };

static const char page_name[] = "page", cover_name[] = "cover", book_name[] = "comic";

static char *join(const char *folder, const char *name)
{
    size_t len = strlen(folder);
    bool slash = len > 0 && folder[len - 1] == '/';
    return mem_printf("%s%s%s", folder, slash ? "" : "/", name);
}

/* ---- the order of names ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Compares the numbers that both begin with, and moves behind them. */
static int number_order(const char **a, const char **b)
{
    *a += strspn(*a, "0");
    *b += strspn(*b, "0");
    size_t a_len = strspn(*a, "0123456789"), b_len = strspn(*b, "0123456789");
    int order = a_len != b_len ? (a_len > b_len) - (a_len < b_len) : strncmp(*a, *b, a_len);
    *a += a_len;
    *b += b_len;
    return order;
}

int comic_name_order(const char *a, const char *b)
{
    const char *x = a, *y = b;
    int order = 0;
    while (order == 0 && *x && *y) {
        if (is_digit(*x) && is_digit(*y))
            order = number_order(&x, &y);
        else
            order = tolower((unsigned char)*x++) - tolower((unsigned char)*y++);
    }
    if (order == 0)
        order = (*x != '\0') - (*y != '\0');
    return order ? order : strcmp(a, b);
}

/* ---- photos ---- */

static int is_picture(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && input_type_of_name(entry->d_name) != IMAGE_UNKNOWN;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return comic_name_order((*a)->d_name, (*b)->d_name);
}

/* Frees entries. */
static void take_entries(struct comic_photos *photos, const char *folder, struct dirent **entries, size_t n)
{
    photos->path = mem_zalloc((n + 1) * sizeof(*photos->path));
    for (size_t i = 0; i < n; i++) {
        FREE_ON_EXIT char *path = join(folder, entries[i]->d_name);
        struct stat st;
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
            photos->path[photos->count++] = TAKE(path);
        free(entries[i]);
    }
    free(entries);
}

static int count_photos(const struct comic_photos *photos, const char *folder, size_t least, size_t most,
                        struct error *e)
{
    size_t count = photos->count;
    if (count == 0)
        return error_set(e, ERR_VALIDATION, "There is no JPEG, PNG, WebP or AVIF picture in %.160s", folder);
    bool few = count < least;
    if (few || count > most)
        return error_set(e, ERR_VALIDATION, "There %s %zu picture%s in %.160s, and a comic takes %zu at %s",
                         count == 1 ? "is" : "are", count, count == 1 ? "" : "s", folder, few ? least : most,
                         few ? "least" : "most");
    return 0;
}

int comic_photos_read(const char *folder, size_t least, size_t most, struct comic_photos *ret,
                      struct error *e)
{
    struct comic_photos photos = {0};
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, is_picture, by_name);
    if (n < 0)
        return error_set(e, ERR_VALIDATION, "%.160s: %s", folder, strerror(errno));
    take_entries(&photos, folder, entries, (size_t)n);
    int r = count_photos(&photos, folder, least, most, e);
    if (r < 0)
        comic_photos_release(&photos);
    else
        *ret = photos;
    return r;
}

static void free_texts(char **text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(text[i]);
    free(text);
}

void comic_photos_release(struct comic_photos *photos)
{
    free_texts(photos->path, photos->count);
    *photos = (struct comic_photos){0};
}

/* ---- texts ---- */

/* Its characters; SIZE_MAX: it is no text. Tabs become blanks, as there are no others where it is drawn. */
static size_t count_characters(char *text)
{
    size_t count = 0, len;
    for (; *text; text += len, count++) {
        len = utf8_char(text);
        if (*text == '\t')
            *text = ' ';
        if (len == 0 || (len == 1 && iscntrl((unsigned char)*text)))
            return SIZE_MAX;
    }
    return count;
}

/* Line number `at`, from 1. Empty ones before it were left out, and are made now. */
static int take_line(struct comic_lines *lines, size_t at, const struct word *line, size_t most,
                     size_t most_characters, struct error *e)
{
    if (line->len == 0)
        return 0;
    if (at > most)
        return error_set(e, ERR_VALIDATION, "line %zu is one too many: %zu are allowed", at, most);
    FREE_ON_EXIT char *text = mem_printf("%.*s", (int)line->len, line->at);
    size_t characters = strlen(text) == line->len ? count_characters(text) : SIZE_MAX;
    if (characters == SIZE_MAX)
        return error_set(e, ERR_VALIDATION, "line %zu is no text in UTF-8", at);
    if (characters > most_characters)
        return error_set(e, ERR_VALIDATION, "line %zu has %zu characters, and %zu are allowed", at,
                         characters, most_characters);
    while (lines->count < at - 1)
        lines->text[lines->count++] = mem_strdup("");
    lines->text[lines->count++] = TAKE(text);
    return 0;
}

static int take_lines(struct comic_lines *lines, const struct blob *file, size_t most, size_t most_characters,
                      struct error *e)
{
    static const char mark[] = "\xef\xbb\xbf"; /* some editors put it in front */
    const char *at = (const char *)file->data, *end = at + file->size;
    int r = 0;
    if (file->size > LINES_BYTES_MAX)
        return error_set(e, ERR_VALIDATION, "it is too large for a line for each photo");
    if (file->size >= strlen(mark) && memcmp(at, mark, strlen(mark)) == 0)
        at += strlen(mark);
    lines->text = mem_zalloc((most + 1) * sizeof(*lines->text));
    for (size_t i = 1; at < end && r == 0; i++) {
        struct word line = word_next(&at, end, '\n');
        r = take_line(lines, i, &line, most, most_characters, e);
    }
    return r;
}

int comic_lines_read(const char *path, size_t most, size_t most_characters, struct comic_lines *ret,
                     struct error *e)
{
    BLOB_ON_EXIT struct blob *file = NULL;
    struct comic_lines lines = {0};
    struct error why = {0};
    int r = input_read_path(path, &file, &why);
    if (r == 0)
        r = take_lines(&lines, file, most, most_characters, &why);
    if (r < 0) {
        comic_lines_release(&lines);
        return error_set(e, ERR_VALIDATION, "%.100s: %.140s",
                         strcmp(path, "-") == 0 ? "standard input" : path, why.reason);
    }
    *ret = lines;
    return 0;
}

void comic_lines_release(struct comic_lines *lines)
{
    free_texts(lines->text, lines->count);
    *lines = (struct comic_lines){0};
}

/* ---- where it goes ---- */

static const char pages_format[] = "png";

/* "pdf", "cbz"; NULL: none of a book. */
static const char *book_format_of(const char *word)
{
    for (enum book_format f = BOOK_PDF; f <= BOOK_CBZ; f++)
        if (strcasecmp(word, book_extension(f)) == 0)
            return book_extension(f);
    return NULL;
}

static bool is_folder(const char *path, const char *extension)
{
    struct stat st;
    if (stat(path, &st) == 0)
        return S_ISDIR(st.st_mode);
    return !*extension || path[strlen(path) - 1] == '/';
}

static char *page_in(const char *folder, const char *name, const char *extension)
{
    FREE_ON_EXIT char *file = mem_printf("%s.%s", name, extension);
    return join(folder, file);
}

/* A page that is the only file would get no number from out_path. */
static void aim_at_folder(const char *folder, const char *book, const struct comic_parts *parts,
                          struct comic_out *ret)
{
    const char *extension = image_extension(IMAGE_PNG);
    bool cover = parts->cover && !book, alone = parts->pages == 1 && !cover;
    FREE_ON_EXIT char *page = mem_printf("%s%s", page_name, alone ? "-1" : "");
    *ret = (struct comic_out){.format = book ? book : pages_format,
                              .type = book ? IMAGE_UNKNOWN : IMAGE_PNG,
                              .path = page_in(folder, book ? book_name : page, book ? book : extension),
                              .cover = cover ? page_in(folder, cover_name, extension) : NULL};
}

static int aim_at_file(const char *output, const char *format, const struct comic_parts *parts,
                       struct comic_out *ret, struct error *e)
{
    const char *extension = input_extension_of(output),
               *book = book_format_of(*extension ? extension : format);
    enum image_type type = input_type_of_name(output);
    if (!book && (type == IMAGE_UNKNOWN || type == IMAGE_AVIF))
        return error_set(e, ERR_VALIDATION,
                         "a comic is written as .pdf, .cbz, .png, .jpg or .webp, not as %s%.32s",
                         *extension ? "." : "", *extension ? extension : "a file without an extension");
    const char *follows = book ? book : pages_format;
    if (*format && strcmp(format, follows) != 0)
        return error_set(e, ERR_VALIDATION, "--format %.20s and -o %.120s do not go together", format,
                         output);
    *ret = (struct comic_out){.format = follows, .type = type, .path = mem_strdup(output)};
    if (parts->cover && !book)
        ret->cover = mem_printf("%.*s-%s.%s", (int)(strlen(output) - strlen(extension) - 1), output,
                                cover_name, extension);
    return 0;
}

int comic_out_find(const char *output, const char *format, const struct comic_parts *parts,
                   struct comic_out *ret, struct error *e)
{
    const char *book = book_format_of(format);
    int r = 0;
    if (!*output)
        return error_set(e, ERR_VALIDATION, "the path after -o is empty");
    if (strcmp(output, "-") == 0 && !book)
        return error_set(e, ERR_VALIDATION,
                         "standard output takes one file: say --format pdf or --format cbz");
    if (strcmp(output, "-") == 0)
        *ret = (struct comic_out){.format = book, .path = mem_strdup(output)};
    else if (is_folder(output, input_extension_of(output)))
        aim_at_folder(output, book, parts, ret);
    else
        r = aim_at_file(output, format, parts, ret, e);
    if (r == 0)
        ret->count = ret->type == IMAGE_UNKNOWN ? 1 : parts->pages + parts->cover;
    return r;
}

int comic_out_check_place(const struct comic_out *out, const char *photos, struct error *e)
{
    const char *slash = strrchr(out->path, '/');
    FREE_ON_EXIT char *folder =
        slash ? mem_printf("%.*s", (int)(slash + 1 - out->path), out->path) : mem_strdup(".");
    struct stat there, here;
    bool pages = out->type != IMAGE_UNKNOWN;
    if (!pages || stat(folder, &there) < 0 || stat(photos, &here) < 0)
        return 0;
    if (there.st_dev != here.st_dev || there.st_ino != here.st_ino)
        return 0;
    return error_set(e, ERR_VALIDATION,
                     "the pages would be among the photos in %.120s; say another folder after -o", photos);
}

unsigned comic_out_number(const struct comic_out *out, const char *key)
{
    const char *slash = strrchr(key, '/'), *file = slash ? slash + 1 : key;
    bool book = out->type == IMAGE_UNKNOWN;
    unsigned page = 0;
    if (strncmp(file, "book.", 5) == 0)
        return book;
    if (strncmp(file, "cover.", 6) == 0)
        return out->cover ? out->count : 0;
    if (book || sscanf(file, "page-%3u.", &page) != 1 || page > out->count - (out->cover ? 1 : 0))
        return 0;
    return page;
}

int comic_book_check(const struct comic_out *out, const struct blob *bytes, struct error *e)
{
    const char *begins = strcmp(out->format, book_extension(BOOK_PDF)) == 0 ? "%PDF-" : "PK\3\4";
    if (bytes->size >= strlen(begins) && memcmp(bytes->data, begins, strlen(begins)) == 0)
        return 0;
    return error_set(e, ERR_VALIDATION, "What came is no .%s file", out->format);
}

void comic_out_release(struct comic_out *out)
{
    free(out->path);
    free(out->cover);
    *out = (struct comic_out){0};
}
