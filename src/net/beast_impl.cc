// SPDX-License-Identifier: Apache-2.0
// The one place where the function bodies of Beast are compiled.
//
// Without its assertions: one of them (basic_parser.ipp, parse_chunk_header, n >= 5) is wrong in
// Boost 1.81, and ends the process where a client sends "0", CR, LF, CR of a last chunk and keeps
// the LF back. Found by fuzz/http_fuzz, which also watches over what the parser does instead.
#define BOOST_DISABLE_ASSERTS
#include <boost/beast/src.hpp>
