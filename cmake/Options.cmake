# Warnings, sanitizers and the linker, for every target of ours.
add_library(tetrarch_options INTERFACE)
target_compile_options(tetrarch_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Werror -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports uses of moved-from coroutine frames and std::string internals that are not there.
  target_compile_options(tetrarch_options INTERFACE
    -Wno-maybe-uninitialized -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread
    -Wno-dangling-pointer -Wno-use-after-free -Wno-mismatched-new-delete -fcoroutines -fpch-preprocess)
endif()
target_include_directories(tetrarch_options INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/src)
target_compile_definitions(tetrarch_options INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED BOOST_BEAST_SEPARATE_COMPILATION
  SPDLOG_FMT_EXTERNAL SPDLOG_COMPILED_LIB)
if(TETRARCH_SANITIZE STREQUAL "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Asio's fences, which TSan does not see; everything that they order is ordered by a mutex as well.
  target_compile_options(tetrarch_options INTERFACE -Wno-tsan)
endif()
if(TETRARCH_SANITIZE)
  target_compile_options(tetrarch_options INTERFACE -fsanitize=${TETRARCH_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(tetrarch_options INTERFACE -fsanitize=${TETRARCH_SANITIZE})
  target_compile_definitions(tetrarch_options INTERFACE TETRARCH_SANITIZED)
endif()
if(TETRARCH_FUZZ)
  target_compile_options(tetrarch_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
find_program(MOLD mold)
if(MOLD)
  target_link_options(tetrarch_options INTERFACE -fuse-ld=mold)
endif()
