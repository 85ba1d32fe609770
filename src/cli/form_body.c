#include "cli/form_body.h"

#include <stdio.h>

#include "base/check.h"

void form_begin(struct form_body *form, size_t most)
{
    buf_init(&form->bytes, most);
    uuid_make(form->boundary); /* random: it is in no picture */
}

static void begin_part(struct form_body *form, const char *name)
{
    buf_printf(&form->bytes, "--%s\r\nContent-Disposition: form-data; name=\"%s\"", form->boundary, name);
}

void form_text(struct form_body *form, const char *name, const char *value)
{
    begin_part(form, name);
    buf_printf(&form->bytes, "\r\n\r\n%s\r\n", value);
}

/* What it is, the gateway sees by itself. */
void form_file(struct form_body *form, const char *name, const struct blob *bytes)
{
    begin_part(form, name);
    buf_puts(&form->bytes, "; filename=\"picture\"\r\nContent-Type: application/octet-stream\r\n\r\n");
    buf_append(&form->bytes, bytes->data, bytes->size);
    buf_puts(&form->bytes, "\r\n");
}

struct blob *form_end(struct form_body *form, char type[static FORM_TYPE_MAX])
{
    buf_printf(&form->bytes, "--%s--\r\n", form->boundary);
    snprintf(type, FORM_TYPE_MAX, "multipart/form-data; boundary=%s", form->boundary);
    CHECK(!form->bytes.failed);
    return buf_take_blob(&form->bytes);
}
