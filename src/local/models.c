#include "local/models.h"

#include <string.h>

#include "base/digest.h"

const struct model models[MODEL_COUNT] = {
#define MODEL(id, ...) [MODEL_##id] = {__VA_ARGS__},
#include "tables/models.def"
#undef MODEL
};

int model_verify(enum model_id id, const char *path, struct error *e)
{
    uint8_t digest[DIGEST_BYTES];
    int r = digest_of_file(path, digest);
    if (r < 0)
        return error_set(e, ERR_PROVIDER_UNAVAILABLE, "cannot read %s: %s; make models fetches it", path,
                         strerror(-r));
    char hex[DIGEST_HEX + 1];
    hex_encode(digest, sizeof(digest), hex);
    if (strcmp(hex, models[id].sha256) != 0)
        return error_set(
            e, ERR_PROVIDER_UNAVAILABLE,
            "%s is not the file it should be (SHA-256 %.12s…, expected %.12s…); delete it and run "
            "make models",
            path, hex, models[id].sha256);
    return 0;
}
