// SPDX-License-Identifier: Apache-2.0
// Tree: the mutable form of a JSON value, for building and patching. Heavy header: include it in
// .cc files only, and in headers whose subject is trees.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "object/document.h"

namespace tetrarch::object {

using Tree = boost::json::value;
using TreeObject = boost::json::object;
using TreeArray = boost::json::array;

Tree to_tree(View view);
/// Canonical bytes; member order is kept.
std::string to_json(const Tree& tree);
DocumentPtr to_document(const Tree& tree);

}  // namespace tetrarch::object
