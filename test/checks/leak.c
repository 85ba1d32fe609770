/* Leaks on purpose: a sanitizer build must say so, or its suppressions hide our own leaks. */
#include <stdio.h>

#include "base/blob.h"

int main(void)
{
    struct blob *volatile b = blob_copy("lost", 4);
    printf("%zu bytes\n", b->size);
    b = NULL;
    return 0;
}
