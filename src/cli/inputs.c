#include "cli/inputs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cli/text.h"

#define INPUT_MAX_BYTES ((size_t)512 << 20)

enum { READ_BLOCK = 64 << 10, SNIFF_BYTES = 32 };

/* Where results go. */
struct place {
    const char *output;
    bool folder; /* results get names of their own below output */
    bool exists; /* output is there: its id follows */
    dev_t device;
    ino_t inode;
    enum image_type type; /* asked for by the output's extension, or else usual */
    bool several;         /* results of one picture */
    void *names;          /* tree of the outputs given so far */
    struct inputs *list;
};

/* ---- names ---- */

const char *input_extension_of(const char *path)
{
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    const char *dot = strrchr(name, '.');
    return dot && dot != name ? dot + 1 : "";
}

enum image_type input_type_of_name(const char *path)
{
    static const struct {
        const char *extension;
        enum image_type type;
    } known[] = {{"jpg", IMAGE_JPEG},
                 {"jpeg", IMAGE_JPEG},
                 {"png", IMAGE_PNG},
                 {"webp", IMAGE_WEBP},
                 {"avif", IMAGE_AVIF}};
    const char *extension = input_extension_of(path);
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcasecmp(extension, known[i].extension) == 0)
            return known[i].type;
    return IMAGE_UNKNOWN;
}

static char *join(const char *folder, const char *name)
{
    size_t len = strlen(folder);
    bool slash = len > 0 && folder[len - 1] == '/';
    return mem_printf("%s%s%s", folder, len == 0 || slash ? "" : "/", name);
}

/* The last part of a folder's path; "" for those without a name of their own. */
static char *folder_name(const char *path)
{
    size_t len = strlen(path);
    while (len > 0 && path[len - 1] == '/')
        len--;
    size_t from = len;
    while (from > 0 && path[from - 1] != '/')
        from--;
    char *name = mem_printf("%.*s", (int)(len - from), path + from);
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        *name = '\0';
    return name;
}

/* ---- reading ---- */

static int read_all(int fd, const char *path, struct blob **ret, struct error *e)
{
    BUF_ON_EXIT struct buf all;
    buf_init(&all, INPUT_MAX_BYTES);
    FREE_ON_EXIT char *block = mem_alloc(READ_BLOCK);
    for (;;) {
        ssize_t n = read(fd, block, READ_BLOCK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(e, ERR_VALIDATION, "Cannot be read: %s", strerror(errno));
        if (n == 0)
            break;
        if (buf_append(&all, block, (size_t)n) < 0)
            return error_set(e, ERR_PAYLOAD_TOO_LARGE, "The file has more than %zu MB",
                             INPUT_MAX_BYTES >> 20);
    }
    if (all.len == 0)
        return error_set(e, ERR_VALIDATION, strcmp(path, "-") == 0 ? "Nothing came" : "The file is empty");
    *ret = buf_take_blob(&all);
    return 0;
}

int input_read_path(const char *path, struct blob **ret, struct error *e)
{
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, path, ret, e);
    CLOSE_ON_EXIT int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(e, ERR_VALIDATION, "Cannot be opened: %s", strerror(errno));
    return read_all(fd, path, ret, e);
}

int input_read(const struct input *in, struct blob **ret, struct error *e)
{
    if (!in->bytes)
        return input_read_path(in->path, ret, e);
    *ret = blob_ref(in->bytes);
    return 0;
}

char *input_shown_name(const char *path, bool utf8)
{
    return strcmp(path, "-") == 0 ? mem_strdup("standard input") : text_clean(path, utf8);
}

static enum image_type sniff(const struct input *in)
{
    if (in->bytes)
        return image_sniff(in->bytes->data, in->bytes->size);
    uint8_t head[SNIFF_BYTES];
    CLOSE_ON_EXIT int fd = open(in->path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, head, sizeof(head)) : 0;
    return n > 0 ? image_sniff(head, (size_t)n) : IMAGE_UNKNOWN;
}

/* ---- the list ---- */

static struct input *add(struct inputs *list, const char *path)
{
    if (list->count == list->room) {
        list->room = list->room ? list->room * 2 : 16;
        list->item = mem_realloc(list->item, list->room * sizeof(*list->item));
    }
    struct input *in = &list->item[list->count++];
    *in = (struct input){.path = mem_strdup(path)};
    return in;
}

static void add_problem(struct inputs *list, const char *path, const char *what)
{
    add(list, path)->problem = mem_strdup(what);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The output's path for a result that is called `name` below the output folder; never one given before. */
static char *name_output(struct place *place, const char *name, enum image_type type)
{
    const char *extension = input_extension_of(name);
    size_t stem = strlen(name) - strlen(extension) - (*extension ? 1 : 0);
    if (input_type_of_name(name) == IMAGE_UNKNOWN)
        stem = strlen(name);
    if (input_type_of_name(name) != type)
        extension = image_extension(type);
    char *path = NULL;
    for (unsigned n = 1;; n++) {
        char number[16] = "";
        if (n > 1)
            snprintf(number, sizeof(number), "-%u", n);
        FREE_ON_EXIT char *file = mem_printf("%.*s%s.%s", (int)stem, name, number, extension);
        path = join(place->output, file);
        char **found = tsearch(path, &place->names, compare_names);
        if (found && *found == path)
            return path;
        free(path);
    }
}

/* One picture; name is what it is called below the output folder. */
static void add_picture(struct place *place, const char *path, const char *name, bool stream)
{
    struct input *in = add(place->list, path);
    struct error e;
    if (stream) {
        int r = input_read(in, &in->bytes, &e);
        if (r < 0) {
            in->problem = mem_strdup(e.reason);
            return;
        }
    }
    in->type = place->type;
    if (in->type == IMAGE_UNKNOWN)
        in->type = sniff(in) == IMAGE_JPEG ? IMAGE_JPEG : IMAGE_PNG;
    if (place->output)
        in->output = place->folder ? name_output(place, name, in->type) : mem_strdup(place->output);
}

/* ---- folders ---- */

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void walk(struct place *place, const char *folder, const char *below);

static void walk_entry(struct place *place, const char *path, const char *name)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return; /* gone since the folder was read */
    bool link = S_ISLNK(st.st_mode);
    if (link && stat(path, &st) < 0)
        return;
    if (S_ISDIR(st.st_mode)) {
        bool output = place->exists && st.st_dev == place->device && st.st_ino == place->inode;
        if (!link && !output)
            walk(place, path, name);
    } else if (S_ISREG(st.st_mode) && input_type_of_name(name) != IMAGE_UNKNOWN) {
        add_picture(place, path, name, false);
    }
}

static void walk(struct place *place, const char *folder, const char *below)
{
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, visible, by_bytes);
    if (n < 0)
        add_problem(place->list, folder, strerror(errno));
    for (int i = 0; i < n; i++) {
        FREE_ON_EXIT char *path = join(folder, entries[i]->d_name);
        FREE_ON_EXIT char *name = join(below, entries[i]->d_name);
        walk_entry(place, path, name);
        free(entries[i]);
    }
    free(entries);
}

static void add_folder(struct place *place, const char *path, bool keep_name)
{
    size_t before = place->list->count;
    FREE_ON_EXIT char *name = keep_name ? folder_name(path) : mem_strdup("");
    walk(place, path, name);
    if (place->list->count == before)
        add_problem(place->list, path, "There is no JPEG, PNG, WebP or AVIF picture in this folder");
}

/* ---- the place ---- */

static bool is_folder(const char *path)
{
    struct stat st;
    return strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int check_standard_streams(const struct inputs_wanted *wanted, struct error *e)
{
    size_t standard = 0;
    for (size_t i = 0; i < wanted->count; i++)
        standard += strcmp(wanted->path[i], "-") == 0;
    if (standard > 1)
        return error_set(e, ERR_VALIDATION, "standard input can be read only once");
    if (!wanted->output || strcmp(wanted->output, "-") != 0)
        return 0;
    if (wanted->count > 1 || is_folder(wanted->path[0]))
        return error_set(e, ERR_VALIDATION, "standard output takes one picture; give a folder with -o");
    if (wanted->several)
        return error_set(e, ERR_VALIDATION,
                         "standard output takes one picture, and several were asked for; give a file or a "
                         "folder with -o");
    return 0;
}

static int check_file_type(struct place *place, struct error *e)
{
    enum image_type type = input_type_of_name(place->output);
    const char *extension = input_extension_of(place->output);
    if (type == IMAGE_AVIF || (type == IMAGE_UNKNOWN && *extension))
        return error_set(e, ERR_VALIDATION, "limner writes .jpg, .png and .webp, not .%.32s", extension);
    if (type != IMAGE_UNKNOWN)
        place->type = type;
    return 0;
}

/* A device or a pipe: no folder is touched. */
static int check_stream(const struct place *place, struct error *e)
{
    if (place->several)
        return error_set(e, ERR_VALIDATION,
                         "%.160s takes one picture, and several were asked for; give a file or a folder "
                         "with -o",
                         place->output);
    return 0;
}

/* What is said after minutes of work could have been said at once. */
static int check_writable(const char *output, bool folder, struct error *e)
{
    FREE_ON_EXIT char *at = mem_strdup(output);
    struct stat st;
    bool first = !folder; /* of a file only the folder matters */
    for (;;) {
        if (!first && stat(at, &st) == 0)
            break;
        first = false;
        size_t len = strlen(at);
        while (len > 1 && at[len - 1] == '/')
            at[--len] = '\0';
        char *slash = strrchr(at, '/');
        if (!slash)
            memcpy(at, ".", 2); /* there is at least one character */
        else
            slash[slash == at] = '\0';
    }
    if (!S_ISDIR(st.st_mode))
        return error_set(e, ERR_INTERNAL, "%.200s is not a folder", at);
    if (access(at, W_OK | X_OK) < 0)
        return error_set(e, ERR_INTERNAL, "the folder %.160s cannot be written to: %s", at, strerror(errno));
    return 0;
}

static int find_place(struct place *place, const struct inputs_wanted *wanted, struct error *e)
{
    const char *output = place->output;
    struct stat st;
    bool folder_there = false;
    if (!output || strcmp(output, "-") == 0)
        return 0;
    if (stat(output, &st) == 0) {
        place->exists = true;
        place->device = st.st_dev;
        place->inode = st.st_ino;
        folder_there = S_ISDIR(st.st_mode);
    }
    bool slash = output[strlen(output) - 1] == '/';
    place->folder = folder_there || slash || wanted->count > 1 || is_folder(wanted->path[0]);
    if (place->folder && place->exists && !folder_there)
        return error_set(e, ERR_VALIDATION, "%.160s is a file; a folder is needed for several results",
                         output);
    int r = place->folder ? 0 : check_file_type(place, e);
    if (r < 0)
        return r;
    bool stream = place->exists && !folder_there && !S_ISREG(st.st_mode);
    return stream ? check_stream(place, e) : check_writable(output, place->folder, e);
}

static void expand_one(struct place *place, const char *path, bool alone)
{
    struct stat st;
    const char *slash = strrchr(path, '/');
    if (strcmp(path, "-") == 0)
        add_picture(place, path, "stdin", true);
    else if (stat(path, &st) < 0)
        add_problem(place->list, path, strerror(errno));
    else if (S_ISDIR(st.st_mode))
        add_folder(place, path, !alone);
    else
        add_picture(place, path, slash ? slash + 1 : path, !S_ISREG(st.st_mode));
}

static void keep_name(void *name)
{
    (void)name; /* the list's */
}

int inputs_expand(const struct inputs_wanted *wanted, struct inputs *ret, struct error *e)
{
    struct inputs list = {0};
    struct place place = {
        .output = wanted->output,
        .type = wanted->usual,
        .several = wanted->several,
        .list = &list,
    };
    bool empty = wanted->output && !*wanted->output;
    int r = empty ? error_set(e, ERR_VALIDATION, "the path after -o is empty")
                  : check_standard_streams(wanted, e);
    if (r == 0)
        r = find_place(&place, wanted, e);
    if (r < 0)
        return r;
    for (size_t i = 0; i < wanted->count; i++)
        expand_one(&place, wanted->path[i], wanted->count == 1);
    tdestroy(place.names, keep_name);
    *ret = list;
    return 0;
}

int inputs_unread(const char *name, const char *output, enum image_type type, struct inputs *ret,
                  struct error *e)
{
    struct inputs list = {0};
    int r = strcmp(output, "-") == 0 ? 0 : check_writable(output, false, e);
    if (r < 0)
        return r;
    struct input *in = add(&list, name);
    in->output = mem_strdup(output);
    in->type = type;
    in->unread = true;
    *ret = list;
    return 0;
}

void inputs_release(struct inputs *in)
{
    for (size_t i = 0; i < in->count; i++) {
        free(in->item[i].path);
        free(in->item[i].output);
        free(in->item[i].problem);
        blob_unref(in->item[i].bytes);
    }
    free(in->item);
    *in = (struct inputs){0};
}
