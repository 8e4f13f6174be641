// SPDX-License-Identifier: Apache-2.0
// The one place where Asio's own function bodies are compiled.
#include <boost/asio/impl/src.hpp>
