// SPDX-License-Identifier: Apache-2.0
// The in-memory form of the schema tables: kinds, types and fields. Loaded once, then immutable and
// shared by all threads. The tables are described in schema/README.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tetrarch::schema {

struct Type;

enum class Shape : std::uint8_t {
  string,
  boolean,
  int32,
  int64,
  number,
  bytes,  ///< base64 text
  time,
  micro_time,
  quantity,
  int_or_string,
  any,     ///< free JSON
  object,  ///< a Type
  list,
  map,  ///< keys are strings
};

/// What a field holds: a scalar, a named type, or a list or map of such.
struct TypeRef {
  Shape shape = Shape::any;
  const Type* type = nullptr;             ///< for Shape::object
  std::unique_ptr<TypeRef> element = {};  ///< for list and map
};

enum class ListType : std::uint8_t { unset, atomic, set, map };

struct Field {
  std::string name;
  std::string doc = {};
  TypeRef ref = {};
  /// Canonical JSON, or `@name` of a computed default; empty: no default.
  std::string default_json = {};
  bool is_required = false;  ///< checked: must be there and not empty
  bool is_expected =
      false;  ///< published as required, not checked (what we write ourselves, or a rule checks)
  bool is_immutable = false;
  bool is_zero_unset = false;  ///< a 0 counts as absent and gets the default
  bool is_unique = false;      ///< of a list: no two elements are the same (by list_map_keys)
  bool is_write_only =
      false;  ///< read, folded into another field by a computed default, never written
  std::optional<std::int64_t> min = {};
  std::optional<std::int64_t> max = {};
  std::vector<std::string> choices = {};  ///< allowed strings; empty: any
  std::string format = {};           ///< name of a check: dns-label, dns-subdomain, port, ip …
  std::string patch_merge_key = {};  ///< x-kubernetes-patch-merge-key
  std::string patch_strategy =
      {};  ///< x-kubernetes-patch-strategy: merge, replace, "merge,retainKeys" …
  ListType list_type = ListType::unset;  ///< x-kubernetes-list-type
  std::vector<std::string> list_map_keys = {};
  bool is_atomic_map = false;    ///< x-kubernetes-map-type: atomic on the field
  bool is_granular_map = false;  ///< the same: granular
};

struct Type {
  std::string name;       ///< PodSpec
  std::string full_name;  ///< io.k8s.api.core.v1.PodSpec: its name in OpenAPI
  std::string group;      ///< of its tables and its views header: core, apps, meta …
  std::string doc = {};
  std::vector<Field> fields = {};
  bool is_atomic = false;                   ///< x-kubernetes-map-type: atomic
  std::vector<std::uint16_t> by_name = {};  ///< places of the fields in the order of their names
  const Field* field(std::string_view name) const;
};

struct Column {
  std::string name;    ///< Ready
  std::string type;    ///< string, integer, date, boolean
  std::string format;  ///< "name" for the first
  /// Text with pieces `{.path}` or `{.path|printed where absent}`, or `@name` of a computed column
  /// (schema/README.md).
  std::string source;
  std::string doc;
  int priority = 0;  ///< 1: only in wide output
};

struct Kind {
  std::string group;  ///< "" for core
  std::string version;
  std::string kind;
  std::string plural;  ///< empty for a kind that is only a body (Scale, Eviction …)
  std::string singular;
  std::vector<std::string> short_names = {};
  std::vector<std::string> categories = {};
  std::vector<std::string> subresources = {};  ///< status, scale, binding, log, exec …
  std::vector<std::string> verbs = {};         ///< as discovery lists them
  std::vector<Column> columns = {};
  std::string name_format =
      {};  ///< what names must be: dns-subdomain, dns-label, dns-1035-label, path-segment
  bool is_namespaced = true;
  bool is_storage_version = true;  ///< others of the same resource convert to it
  bool is_of_any_group =
      false;  ///< a body that any group's apiVersion may stand on (DeleteOptions)
  const Type* type = nullptr;
  /// "pods", "deployments.apps": Key::resource of the stored form.
  std::string resource = {};
  /// "v1", "apps/v1".
  std::string api_version() const;
  bool has_verb(std::string_view verb) const;
  bool has_subresource(std::string_view subresource) const;
};

class Catalog {
 public:
  Catalog();  // empty; load() makes a useful one
  ~Catalog();
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;

  /// The tables built into the binary.
  static Result<std::unique_ptr<Catalog>> load_builtin();
  /// Tables in the schema language; file name and text each. The part of the name before '_' or '.'
  /// is the group of its types. Errors name file and line.
  static Result<std::unique_ptr<Catalog>> load(
      const std::vector<std::pair<std::string, std::string>>& files);

  const Kind* find(std::string_view group, std::string_view version, std::string_view kind) const;
  const Kind* by_plural(std::string_view group,
                        std::string_view version,
                        std::string_view plural) const;
  /// The storage version of "deployments.apps".
  const Kind* by_resource(std::string_view resource) const;
  const Type* type(std::string_view full_name) const;

  const std::vector<std::unique_ptr<Kind>>& kinds() const { return kinds_; }

  const std::vector<std::unique_ptr<Type>>& types() const { return types_; }

 private:
  void index();

  std::vector<std::unique_ptr<Kind>> kinds_;
  std::vector<std::unique_ptr<Type>> types_;
  struct Lookup;
  std::unique_ptr<Lookup> lookup_;
};

}  // namespace tetrarch::schema
