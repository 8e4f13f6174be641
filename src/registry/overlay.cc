// SPDX-License-Identifier: Apache-2.0
#include "registry/overlay.h"

#include <algorithm>
#include <utility>

namespace tetrarch::registry {

using object::View;
using object::Writer;

Overlay& Overlay::member(std::string_view name) {
  for (auto& each : members_) {
    if (each.name == name) {
      return each.change;
    }
  }
  members_.push_back({std::string(name), {}});
  return members_.back().change;
}

Overlay& Overlay::element(std::size_t place) {
  for (auto& each : elements_) {
    if (each.place == place) {
      return each.change;
    }
  }
  elements_.push_back({place, {}});
  return elements_.back().change;
}

Overlay& Overlay::at(std::string_view dotted_path) {
  Overlay* where = this;
  while (true) {
    const auto dot = dotted_path.find('.');
    where = &where->member(dotted_path.substr(0, dot));
    if (dot == std::string_view::npos) {
      return *where;
    }
    dotted_path.remove_prefix(dot + 1);
  }
}

void Overlay::replace(std::string json) {
  *this = {};
  action_ = Action::replace;
  json_ = std::move(json);
}

void Overlay::drop() {
  *this = {};
  action_ = Action::drop;
}

void Overlay::append(std::string json) {
  appended_.push_back(std::move(json));
}

bool Overlay::is_empty() const {
  return action_ == Action::keep && members_.empty() && elements_.empty() && appended_.empty();
}

const Overlay* Overlay::find(std::string_view name) const {
  for (const auto& each : members_) {
    if (each.name == name) {
      return &each.change;
    }
  }
  return nullptr;
}

bool Overlay::writes_value(View base) const {
  if (action_ != Action::keep) {
    return action_ == Action::replace;
  }
  if (base || !appended_.empty()) {
    return true;
  }
  for (const auto& each : members_) {
    if (each.change.writes_value({})) {
      return true;
    }
  }
  return base.exists() && is_empty();
}

void Overlay::write(Writer& out, View base) const {
  if (action_ == Action::replace) {
    out.raw(json_);
  } else if (is_empty()) {
    out.view(base);
  } else if (!elements_.empty() || !appended_.empty()) {
    write_array(out, base);
  } else {
    write_object(out, base);
  }
}

void Overlay::write_object(Writer& out, View base) const {
  out.begin_object();
  write_members(out, base, nullptr);
  out.end_object();
}

void Overlay::write_members(Writer& out, View base, bool (*skips)(std::string_view)) const {
  std::vector<const Member*> fresh;
  for (const auto& each : members_) {
    if (!base[each.name].exists() && each.change.writes_value({})) {
      fresh.push_back(&each);
    }
  }
  std::sort(fresh.begin(), fresh.end(), [](const Member* a, const Member* b) {
    return a->name < b->name;
  });
  auto next = fresh.begin();
  const auto write_fresh = [&](const Member& member) {
    out.key(member.name);
    member.change.write(out, {});
  };
  for (const auto [name, value] : base.members()) {
    if (skips != nullptr && skips(name)) {
      continue;
    }
    for (; next != fresh.end() && (*next)->name < name; ++next) {
      write_fresh(**next);
    }
    const Overlay* change = find(name);
    if (change == nullptr) {
      out.key(name).view(value);
    } else if (change->writes_value(value)) {
      out.key(name);
      change->write(out, value);
    }
  }
  for (; next != fresh.end(); ++next) {
    write_fresh(**next);
  }
}

void Overlay::write_array(Writer& out, View base) const {
  out.begin_array();
  std::size_t place = 0;
  for (const View element : base.elements()) {
    const Overlay* change = nullptr;
    for (const auto& each : elements_) {
      if (each.place == place) {
        change = &each.change;
      }
    }
    if (change == nullptr) {
      out.view(element);
    } else if (change->writes_value(element)) {
      change->write(out, element);
    }
    ++place;
  }
  for (const auto& json : appended_) {
    out.raw(json);
  }
  out.end_array();
}

std::string quoted(std::string_view text) {
  std::string out;
  object::Writer(out).string(text);
  return out;
}

}  // namespace tetrarch::registry
