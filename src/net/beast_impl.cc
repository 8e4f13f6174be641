// SPDX-License-Identifier: Apache-2.0
// The one place where the function bodies of Beast are compiled.
#include <boost/beast/src.hpp>
