// Compiled and run by tools/deps: does the unpacked libvips start, and can it make and average an image?
#include <vips/vips.h>

int main(int argc, char **argv)
{
    VipsImage *image = NULL;
    double average = 0;

    (void)argc;
    if (VIPS_INIT(argv[0]) || vips_black(&image, 16, 16, "bands", 3, NULL) ||
        vips_avg(image, &average, NULL)) {
        fprintf(stderr, "%s\n", vips_error_buffer());
        return 1;
    }
    g_object_unref(image);
    vips_shutdown();
    return average == 0 ? 0 : 1;
}
