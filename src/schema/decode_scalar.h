// SPDX-License-Identifier: Apache-2.0
// Single values of a body: checks them against their shape and writes their canonical form.
// Internal to the room.
#pragma once

#include <string>

#include "base/result.h"
#include "object/writer.h"
#include "schema/decoder.h"

namespace tetrarch::schema {

/// `ref` is no object, list, map or any; the value is not null.
Status write_scalar(object::Writer& writer, const TypeRef& ref, Element value, const Step& at);
/// json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32
Error mismatch(Element value, const TypeRef& ref, const Step& at);

}  // namespace tetrarch::schema
