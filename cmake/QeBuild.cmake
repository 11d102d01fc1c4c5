# Compile settings shared by every target of the project.

# Warnings as errors, no contraction of float expressions (docs/numerics.md names every fused
# multiply-add), optional sanitizers.
function(qe_target_defaults target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror -ffp-contract=off
    -fvisibility=hidden -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12 warns of overlapping copies inside std::string concatenation (its bug 105651).
    target_compile_options(${target} PRIVATE -Wno-restrict)
  endif()
  if(QE_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${QE_SANITIZE} -fno-omit-frame-pointer
      -fno-sanitize-recover=all)
    target_link_options(${target} PUBLIC -fsanitize=${QE_SANITIZE})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # With the sanitizers GCC 12 takes members of std::regex for uninitialized (its bug 105562).
      target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
    endif()
  endif()
endfunction()

# One test program: qe_add_test(NAME source...). It may include the internal headers of the layers.
function(qe_add_test name)
  add_executable(test_${name} ${ARGN})
  qe_target_defaults(test_${name})
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_definitions(test_${name} PRIVATE
    QE_SOURCE_DIR="${PROJECT_SOURCE_DIR}" QE_BINARY_DIR="${PROJECT_BINARY_DIR}")
  target_link_libraries(test_${name} PRIVATE qe test_main nlohmann_json::nlohmann_json)
  add_test(NAME ${name} COMMAND test_${name})
endfunction()
