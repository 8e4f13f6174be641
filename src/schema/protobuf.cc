// SPDX-License-Identifier: Apache-2.0
#include "schema/protobuf.h"

#include <fmt/format.h>

#include "object/writer.h"
#include "schema/protobuf_message.h"
#include "schema/protobuf_reader.h"

namespace tetrarch::schema {

namespace {

constexpr std::string_view kMagic("k8s\0", 4);

const Kind* find_kind(const Catalog& catalog, std::string_view api_version, std::string_view name) {
  const auto slash = api_version.find('/');
  const auto group = slash == api_version.npos ? "" : api_version.substr(0, slash);
  const auto version = slash == api_version.npos ? api_version : api_version.substr(slash + 1);
  if (const auto* kind = catalog.find(group, version, name)) {
    return kind;
  }
  for (const auto& kind : catalog.kinds()) {
    if (kind->is_of_any_group && kind->kind == name) {
      return kind.get();
    }
  }
  return nullptr;
}

}  // namespace

// Source: k8s.io/apimachinery v0.36.3, pkg/runtime Unknown and TypeMeta: typeMeta 1 (apiVersion 1,
// kind 2), raw 2, contentEncoding 3, contentType 4. Its serializer looks at neither of the last
// two.
Result<std::string> json_of_protobuf(const Catalog& catalog, std::string_view body) {
  if (!body.starts_with(kMagic)) {
    return Error{Code::malformed,
                 "the body is no Kubernetes protobuf message: it does not begin with k8s\\0"};
  }
  TRY(const auto envelope, SmallMessage::read(body.substr(kMagic.size())));
  TRY(const auto meta_bytes, envelope.bytes(1));
  TRY(const auto raw, envelope.bytes(2));
  TRY(const auto meta, SmallMessage::read(meta_bytes));
  TRY(const auto api_version, meta.bytes(1));
  TRY(const auto name, meta.bytes(2));
  if (name.empty()) {
    return Error{Code::malformed, "Object 'Kind' is missing in the protobuf body"};
  }
  TRY_STATUS(check_text(name));
  TRY_STATUS(check_text(api_version));
  const auto* kind = find_kind(catalog, api_version, name);
  if (kind == nullptr) {
    return Error{
        Code::malformed,
        fmt::format(
            "no kind \"{:.100}\" is registered for version \"{:.100}\"", name, api_version)};
  }
  const auto& numbers = ProtobufNumbers::builtin();
  if (!numbers.ok()) {
    return numbers.error();
  }
  std::string out;
  out.reserve(body.size() * 2);
  object::Writer writer(out);
  writer.begin_object().field("kind", kind->kind).field("apiVersion", api_version);
  TRY_STATUS(MessageWriter(writer, *numbers).write_members(*kind->type, raw, 0));
  writer.end_object();
  return out;
}

}  // namespace tetrarch::schema
