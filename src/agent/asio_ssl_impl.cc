// SPDX-License-Identifier: Apache-2.0
// The compiled half of Asio's TLS, which HTTPS probes (checks.cc) use.
#include <boost/asio/ssl/impl/src.hpp>
