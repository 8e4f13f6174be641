// SPDX-License-Identifier: Apache-2.0
// What validation found, in the words of Kubernetes' field errors. Internal to the room.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "object/document.h"

namespace tetrarch::schema {

/// Source of the texts: Kubernetes apimachinery, pkg/util/validation/field/errors.go, v0.34.
class Problems {
 public:
  void required(std::string path, std::string_view detail = "");
  /// `value` as text is printed in quotes; as a View in its JSON form.
  void invalid(std::string path, std::string_view value, std::string_view detail);
  void invalid(std::string path, object::View value, std::string_view detail);
  void invalid_each(const std::string& path,
                    std::string_view value,
                    const std::vector<std::string>& details);
  void not_supported(std::string path,
                     std::string_view value,
                     const std::vector<std::string>& supported);
  void not_found(std::string path, std::string_view value);
  void duplicate(std::string path, std::string_view value);
  void forbidden(std::string path, std::string_view detail);
  void too_long(std::string path, std::size_t bytes_max);
  void too_many(std::string path, std::size_t count, std::size_t count_max);

  std::vector<FieldError> take() { return std::move(found_); }

 private:
  void add(std::string_view reason, std::string message, std::string path);

  std::vector<FieldError> found_;
};

/// A place in the object that a rule looks at.
struct Site {
  object::View fresh;
  object::View old;  ///< absent on create
  std::string path;
  std::string_view part = {};  ///< of the object itself: the subresource that changes it

  bool is_update() const { return old.exists(); }

  std::string at(std::string_view child) const;
  Site child(std::string_view name) const;
};

/// path.child, or the child alone at the top.
std::string join_path(std::string_view path, std::string_view child);
/// path[3]
std::string index_path(std::string_view path, std::size_t index);
/// path[key]
std::string key_path(std::string_view path, std::string_view key);

}  // namespace tetrarch::schema
