# What most sources include, compiled once for all rooms that may include it. Rooms without Asio have headers of their
# own: Asio's bring variables along that only its own sources define. Compiled with no more definitions than every room
# has: g++ refuses headers that were compiled with one too many.
set(TETRARCH_COMMON_HEADERS
  <algorithm> <chrono> <cstdint> <functional> <map> <memory> <mutex> <optional> <set> <string>
  <string_view> <unordered_map> <utility> <variant> <vector> <fmt/format.h> <tl/expected.hpp>)
set(TETRARCH_ASIO_HEADERS
  <boost/asio/any_io_executor.hpp> <boost/asio/as_tuple.hpp> <boost/asio/awaitable.hpp> <boost/asio/post.hpp>
  <boost/asio/use_awaitable.hpp>)

function(tetrarch_precompiled name)
  set(empty ${CMAKE_BINARY_DIR}/${name}.cc)
  file(CONFIGURE OUTPUT ${empty} CONTENT "")
  add_library(${name} OBJECT ${empty})
  target_link_libraries(${name} PRIVATE tetrarch_options fmt::fmt tl::expected)
  target_precompile_headers(${name} PRIVATE ${ARGN} ${TETRARCH_COMMON_HEADERS})
endfunction()

tetrarch_precompiled(common_headers)
tetrarch_precompiled(async_headers ${TETRARCH_ASIO_HEADERS})
if(TETRARCH_UNIT_TESTS OR TETRARCH_TESTS)
  tetrarch_precompiled(common_test_headers <gmock/gmock.h> <gtest/gtest.h>)
  tetrarch_precompiled(async_test_headers <gmock/gmock.h> <gtest/gtest.h> ${TETRARCH_ASIO_HEADERS})
  target_link_libraries(common_test_headers PRIVATE GTest::gmock)
  target_link_libraries(async_test_headers PRIVATE GTest::gmock)
endif()
