// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes plugin/pkg/admission/limitranger, v1.35: which values are compared, the texts,
// and the annotation that names what was set.
#include "registry/admission_limits.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "schema/quota.h"

namespace tetrarch::registry {

using object::Quantity;
using object::View;
using schema::Amounts;

namespace {

constexpr std::string_view kAnnotation = "kubernetes.io/limit-ranger";

/// What a container or a pod states.
struct Stated {
  Amounts requests;
  Amounts limits;
};

struct Container {
  std::string_view list;  ///< containers, initContainers
  std::size_t place = 0;
  std::string_view name;
  bool is_sidecar = false;
  Stated stated;
};

const Quantity* find(const Amounts& amounts, const std::string& name) {
  const auto at = amounts.find(name);
  return at == amounts.end() ? nullptr : &at->second;
}

void add(Amounts& to, const Amounts& from) {
  for (const auto& [name, value] : from) {
    to[name] += value;
  }
}

void raise_to(Amounts& to, const Amounts& from) {
  for (const auto& [name, value] : from) {
    auto& mine = to[name];
    mine = std::max(mine, value);
  }
}

/// One pod's way through the limit ranges of its namespace.
class Admission {
 public:
  explicit Admission(Draft& draft) : draft_(draft) {
    for (const std::string_view list : {"containers", "initContainers"}) {
      std::size_t place = 0;
      for (const View each : draft.base()["spec"][list].elements()) {
        containers_.push_back(
            {list,
             place++,
             each["name"].string(),
             list == "initContainers" && each["restartPolicy"].string() == "Always",
             {schema::amounts_in(each["resources"]["requests"]),
              schema::amounts_in(each["resources"]["limits"])}});
      }
    }
  }

  void take(View range) {
    for (const View limit : range["spec"]["limits"].elements()) {
      if (limit["type"].string() == "Container") {
        for (auto& container : containers_) {
          set_defaults(container, limit);
        }
      }
    }
    for (const View limit : range["spec"]["limits"].elements()) {
      if (limit["type"].string() == "Container") {
        for (const auto& container : containers_) {
          check(limit, container.stated);
        }
      } else if (limit["type"].string() == "Pod") {
        check(limit, sum());
      }
    }
  }

  Result<bool> finish() {
    if (!faults_.empty()) {
      const auto& name = draft_.meta.name.empty() ? draft_.meta.generate_name : draft_.meta.name;
      return forbidden("pods", name, joined_faults());
    }
    if (!told_.empty()) {
      annotate();
    }
    return !told_.empty();
  }

 private:
  void set_defaults(Container& container, View limit) {
    set(container, "requests", container.stated.requests, limit["defaultRequest"], " request for ");
    set(container, "limits", container.stated.limits, limit["default"], " limit for ");
  }

  void set(Container& container,
           std::string_view member,
           Amounts& stated,
           View defaults,
           std::string_view verb) {
    std::string names;
    for (const auto& [name, value] : schema::amounts_in(defaults)) {
      if (!stated.emplace(name, value).second) {
        continue;
      }
      names += (names.empty() ? "" : ", ") + name;
      draft_.changes.member("spec")
          .member(container.list)
          .element(container.place)
          .member("resources")
          .member(member)
          .member(name)
          .replace(quoted(value.text()));
    }
    if (!names.empty()) {
      told_ += (told_.empty() ? "" : "; ") + names;
      told_ += verb;
      told_ += container.list == "containers" ? "container " : "init container ";
      told_ += container.name;
    }
  }

  Stated sum() const {
    Stated running;
    Stated sidecars;
    Stated starting;
    for (const auto& [list, place, name, is_sidecar, stated] : containers_) {
      if (list == "containers") {
        add(running.requests, stated.requests);
        add(running.limits, stated.limits);
        continue;
      }
      auto own = sidecars;
      add(own.requests, stated.requests);
      add(own.limits, stated.limits);
      if (is_sidecar) {
        sidecars = own;
      }
      raise_to(starting.requests, own.requests);
      raise_to(starting.limits, own.limits);
    }
    add(running.requests, sidecars.requests);
    add(running.limits, sidecars.limits);
    raise_to(running.requests, starting.requests);
    raise_to(running.limits, starting.limits);
    return running;
  }

  void check(View limit, const Stated& stated) {
    const auto type = limit["type"].string();
    for (const auto& [name, least] : schema::amounts_in(limit["min"])) {
      check_least(fmt::format("minimum {} usage per {} is {}", name, type, least.text()),
                  least,
                  find(stated.requests, name),
                  find(stated.limits, name));
    }
    for (const auto& [name, most] : schema::amounts_in(limit["max"])) {
      check_most(fmt::format("maximum {} usage per {} is {}", name, type, most.text()),
                 most,
                 find(stated.requests, name),
                 find(stated.limits, name));
    }
    for (const auto& [name, ratio] : schema::amounts_in(limit["maxLimitRequestRatio"])) {
      check_ratio(
          fmt::format("{} max limit to request ratio per {} is {}", name, type, ratio.text()),
          ratio,
          find(stated.requests, name),
          find(stated.limits, name));
    }
  }

  void check_least(const std::string& rule,
                   const Quantity& least,
                   const Quantity* request,
                   const Quantity* limit) {
    if (request == nullptr) {
      refuse(rule + ".  No request is specified");
    } else if (*request < least) {
      refuse(fmt::format("{}, but request is {}", rule, request->text()));
    } else if (limit != nullptr && *limit < least) {
      refuse(fmt::format("{}, but limit is {}", rule, limit->text()));
    }
  }

  void check_most(const std::string& rule,
                  const Quantity& most,
                  const Quantity* request,
                  const Quantity* limit) {
    if (limit == nullptr) {
      refuse(rule + ".  No limit is specified");
    } else if (*limit > most) {
      refuse(fmt::format("{}, but limit is {}", rule, limit->text()));
    } else if (request != nullptr && *request > most) {
      refuse(fmt::format("{}, but request is {}", rule, request->text()));
    }
  }

  void check_ratio(const std::string& rule,
                   const Quantity& ratio,
                   const Quantity* request,
                   const Quantity* limit) {
    if (request == nullptr || request->is_zero()) {
      refuse(rule + ", but no request is specified or request is 0");
    } else if (limit == nullptr || limit->is_zero()) {
      refuse(rule + ", but no limit is specified or limit is 0");
    } else if (const auto real = limit->as_double() / request->as_double();
               real > ratio.as_double()) {
      refuse(fmt::format("{}, but provided ratio is {:.6f}", rule, real));
    }
  }

  void refuse(std::string fault) {
    if (std::find(faults_.begin(), faults_.end(), fault) == faults_.end()) {
      faults_.push_back(std::move(fault));
    }
  }

  std::string joined_faults() const {
    std::string out;
    for (const auto& fault : faults_) {
      out += (out.empty() ? "" : ", ") + fault;
    }
    return faults_.size() == 1 ? out : "[" + out + "]";
  }

  void annotate() {
    Overlay change;
    change.member(kAnnotation).replace(quoted("LimitRanger plugin set: " + told_));
    const auto before = Document::from_canonical(
        draft_.meta.annotations.empty() ? std::string("{}") : draft_.meta.annotations);
    std::string json;
    object::Writer out(json);
    change.write(out, before->root());
    draft_.meta.annotations = std::move(json);
  }

  Draft& draft_;
  std::vector<Container> containers_;
  std::string told_;  // what was set, in words
  std::vector<std::string> faults_;
};

}  // namespace

Result<bool> admit_limits(Write& write, Draft& draft) {
  std::vector<Stored> ranges;
  write.snapshot.scan("limitranges", draft.meta.ns, {}, [&](const Stored& each) {
    ranges.push_back(each);
    return true;
  });
  if (ranges.empty()) {
    return false;
  }
  Admission admission(draft);
  for (const auto& range : ranges) {
    admission.take(range.root());
  }
  return admission.finish();
}

}  // namespace tetrarch::registry
