// Compiled and run by tools/deps: can the libraries that were kept read an ONNX network, compile it for the
// CPU and run it? Opened with dlopen, as limner does. LIBRARY is the path of libopenvino_c.
#include <dlfcn.h>
#include <openvino/c/openvino.h>
#include <stdio.h>

// One Relu over two floats: x -> y.
static const unsigned char NETWORK[] = {
    8,   8,  58,  51, 10, 12,  10, 1,  120, 18, 1, 121, 34, 4, 82, 101, 108, 117, 18, 1,
    103, 90, 15,  10, 1,  120, 18, 10, 10,  8,  8, 1,   18, 4, 10, 2,   8,   2,   98, 15,
    10,  1,  121, 18, 10, 10,  8,  8,  1,   18, 4, 10,  2,  8, 2,  66,  2,   16,  17,
};

#define CALL(function, ...)                                                                                  \
    do {                                                                                                     \
        __typeof__(&function) call = (__typeof__(&function))dlsym(library, #function);                       \
        if (!call || (int)call(__VA_ARGS__) != 0) {                                                          \
            fprintf(stderr, "%s failed\n", #function);                                                       \
            return 1;                                                                                        \
        }                                                                                                    \
    } while (0)

int main(void)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    ov_core_t *core = NULL;
    ov_model_t *model = NULL;
    ov_compiled_model_t *compiled = NULL;
    ov_infer_request_t *request = NULL;
    ov_tensor_t *input = NULL, *output = NULL;
    float *in = NULL, *out = NULL;

    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    CALL(ov_core_create, &core);
    CALL(ov_core_read_model_from_memory_buffer, core, (const char *)NETWORK, sizeof(NETWORK), NULL, &model);
    CALL(ov_core_compile_model, core, model, "CPU", 2, &compiled, "INFERENCE_PRECISION_HINT", "f32");
    CALL(ov_compiled_model_create_infer_request, compiled, &request);
    CALL(ov_infer_request_get_input_tensor, request, &input);
    CALL(ov_infer_request_get_output_tensor, request, &output);
    CALL(ov_tensor_data, input, (void **)&in);
    CALL(ov_tensor_data, output, (void **)&out);
    in[0] = -1;
    in[1] = 2;
    CALL(ov_infer_request_infer, request);
    if (out[0] != 0 || out[1] != 2) {
        fprintf(stderr, "a Relu of (-1, 2) gave (%g, %g)\n", (double)out[0], (double)out[1]);
        return 1;
    }
    return 0;
}
