#include "app_store.h"

#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "store/keyfile.h"

enum { SPACE_BYTES = (STORE_SPACE_MAX - 1) / 2 };

int app_store_new(const struct options *opt, struct loop_uv *uv, struct lane *disk, struct store **ret,
                  struct error *e)
{
    if (!*opt->r2_bucket)
        return store_disk_new(opt->data_dir, loop_uv_loop(uv), disk, ret, e);
    if (!*opt->r2_access_key_id || !*opt->r2_secret_access_key)
        return error_set(e, ERR_VALIDATION,
                         "CF_R2_BUCKET needs CF_R2_ACCESS_KEY_ID and "
                         "CF_R2_SECRET_ACCESS_KEY");
    if (!*opt->r2_endpoint && !*opt->r2_account_id)
        return error_set(e, ERR_VALIDATION, "CF_R2_BUCKET needs CF_R2_ACCOUNT_ID or CF_R2_ENDPOINT");
    FREE_ON_EXIT char *r2 = mem_printf("https://%s.r2.cloudflarestorage.com", opt->r2_account_id);
    const struct s3_config config = {
        .endpoint = *opt->r2_endpoint ? opt->r2_endpoint : r2,
        .bucket = opt->r2_bucket,
        .access_key = opt->r2_access_key_id,
        .secret = opt->r2_secret_access_key,
        .region = opt->s3_region,
        .ca_file = opt->ca_file,
        .checksum = (int)opt->s3_checksum,
        .retries = (unsigned)opt->store_retries,
        .timeout_ms = (uint32_t)opt->store_timeout_ms,
    };
    return store_s3_new(&config, uv, disk, ret, e);
}

int app_store_space(const struct options *opt, char ret[static STORE_SPACE_MAX], struct error *e)
{
    uint8_t digest[DIGEST_BYTES];
    if (*opt->r2_bucket) {
        const char *where = *opt->r2_endpoint ? opt->r2_endpoint : opt->r2_account_id;
        FREE_ON_EXIT char *place = mem_printf("%s\n%s", where, opt->r2_bucket);
        digest_of(place, strlen(place), digest);
    } else {
        int r = keyfile_load(opt->data_dir, "store-id", "what is remembered of results is then forgotten",
                             digest, e);
        if (r < 0)
            return r;
    }
    hex_encode(digest, SPACE_BYTES, ret);
    return 0;
}
