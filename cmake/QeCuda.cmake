# The CUDA toolkit and the settings of GPU code. Included where QE_CUDA is on.
find_program(CMAKE_CUDA_COMPILER nvcc PATHS /usr/local/cuda/bin REQUIRED)
# Every target names its own; CMake wants a default before it tries the compiler.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80)
endif()
enable_language(CUDA)
# CMake 3.25 does not know that this compiler has the dialect of the rest of the project.
set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
find_package(CUDAToolkit 13.0 REQUIRED)

# qe_add_cuda_objects(NAME ARCHITECTURES source...): device code as an object library. Floats are
# computed as docs/numerics.md says: nothing contracted, IEEE division, subnormals kept (the last two
# are the compiler's default).
function(qe_add_cuda_objects name architectures)
  add_library(${name} OBJECT ${ARGN})
  target_include_directories(${name} PRIVATE
    ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/engine/include)
  target_compile_options(${name} PRIVATE --expt-relaxed-constexpr -fmad=false
    --Werror=all-warnings
    -Xcompiler=-Wall,-Wextra,-ffp-contract=off,-fvisibility=hidden)
  set_target_properties(${name} PROPERTIES CUDA_ARCHITECTURES "${architectures}"
    POSITION_INDEPENDENT_CODE ON)
endfunction()
