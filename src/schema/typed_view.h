// SPDX-License-Identifier: Apache-2.0
// What the generated views (schema/views/<group>.h) are made of: a typed cursor, lists and maps of
// typed values. All are as cheap as object::View, point into a Document that must outlive them, and
// answer "nothing" where absent.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "object/document.h"

namespace tetrarch::views {

/// Base of every generated class.
class TypedView {
 public:
  TypedView() = default;

  explicit TypedView(object::View view) : view_(view) {}

  object::View view() const { return view_; }

  /// Present and not null.
  explicit operator bool() const { return static_cast<bool>(view_); }

 protected:
  object::View view_;
};

/// The value as the C++ type that the views use for its shape.
template <class T>
T view_as(object::View view) {
  if constexpr (std::is_same_v<T, std::string_view>) {
    return view.string();
  } else if constexpr (std::is_same_v<T, bool>) {
    return view.boolean();
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return view.integer();
  } else if constexpr (std::is_same_v<T, double>) {
    return view.number();
  } else {
    return T(view);
  }
}

template <class T>
class ListView : public TypedView {
 public:
  struct Iterator {
    object::View::ElementRange::Iterator at;

    T operator*() const { return view_as<T>(*at); }

    Iterator& operator++() {
      ++at;
      return *this;
    }

    bool operator==(const Iterator&) const = default;
  };

  using TypedView::TypedView;

  Iterator begin() const { return {view_.elements().begin()}; }

  Iterator end() const { return {view_.elements().end()}; }

  std::size_t size() const { return view_.is_array() ? view_.size() : 0; }

  bool empty() const { return size() == 0; }

  /// Absent (or zero) past the end. Linear.
  T at(std::size_t place) const { return view_as<T>(view_.at(place)); }
};

template <class T>
struct MapEntry {
  std::string_view key;
  T value;
};

template <class T>
class MapView : public TypedView {
 public:
  struct Iterator {
    object::View::MemberRange::Iterator at;

    MapEntry<T> operator*() const {
      const auto member = *at;
      return {member.key, view_as<T>(member.value)};
    }

    Iterator& operator++() {
      ++at;
      return *this;
    }

    bool operator==(const Iterator&) const = default;
  };

  using TypedView::TypedView;

  Iterator begin() const { return {view_.members().begin()}; }

  Iterator end() const { return {view_.members().end()}; }

  std::size_t size() const { return view_.is_object() ? view_.size() : 0; }

  bool empty() const { return size() == 0; }

  bool contains(std::string_view key) const { return view_[key].exists(); }

  /// Absent (or empty) where there is no such key.
  T find(std::string_view key) const { return view_as<T>(view_[key]); }
};

}  // namespace tetrarch::views
