// SPDX-License-Identifier: Apache-2.0
// The description of the service in the form of Google's discovery documents. Source: fleet
// reference, section 2 (discovery doc).
#include <string>

#include "api/fleet/fleet_api.h"
#include "object/tree.h"

namespace tetrarch::api::fleet {
namespace {

using object::Tree;
using object::TreeArray;
using object::TreeObject;

Tree text_type() {
  return TreeObject{{"type", "string"}};
}

Tree list_of(std::string_view type) {
  return TreeObject{{"type", "array"}, {"items", {{"$ref", type}}}};
}

Tree schema(std::string_view id, TreeObject properties) {
  return TreeObject{{"id", id}, {"type", "object"}, {"properties", std::move(properties)}};
}

TreeObject texts(std::initializer_list<std::string_view> names) {
  TreeObject properties;
  for (const auto name : names) {
    properties[name] = text_type();
  }
  return properties;
}

Tree page_schema(std::string_view id, std::string_view list, std::string_view type) {
  TreeObject properties = texts({"nextPageToken"});
  properties[list] = list_of(type);
  return schema(id, std::move(properties));
}

Tree schemas() {
  TreeObject machine = texts({"id", "primaryIP"});
  machine["metadata"] = {{"type", "object"}, {"additionalProperties", text_type()}};
  TreeObject unit = texts({"name", "machineID"});
  unit["options"] = list_of("UnitOption");
  for (const auto* state : {"desiredState", "currentState"}) {
    unit[state] = {{"type", "string"}, {"enum", {"inactive", "loaded", "launched"}}};
  }
  return TreeObject{
      {"Machine", schema("Machine", std::move(machine))},
      {"MachinePage", page_schema("MachinePage", "machines", "Machine")},
      {"UnitOption", schema("UnitOption", texts({"section", "name", "value"}))},
      {"Unit", schema("Unit", std::move(unit))},
      {"UnitPage", page_schema("UnitPage", "units", "Unit")},
      {"UnitState",
       schema("UnitState",
              texts({"name",
                     "hash",
                     "machineID",
                     "systemdLoadState",
                     "systemdActiveState",
                     "systemdSubState"}))},
      {"UnitStatePage", page_schema("UnitStatePage", "states", "UnitState")},
  };
}

Tree parameter(std::string_view location, bool is_required) {
  TreeObject made{{"type", "string"}, {"location", location}};
  if (is_required) {
    made["required"] = true;
  }
  return made;
}

Tree list_method(std::string_view id,
                 std::string_view path,
                 std::string_view page,
                 std::initializer_list<std::string_view> queries) {
  TreeObject parameters{{"nextPageToken", parameter("query", false)}};
  for (const auto query : queries) {
    parameters[query] = parameter("query", false);
  }
  return TreeObject{{"id", id},
                    {"description", "Retrieve a page of objects."},
                    {"httpMethod", "GET"},
                    {"path", path},
                    {"parameters", std::move(parameters)},
                    {"response", {{"$ref", page}}}};
}

Tree one_method(std::string_view id,
                std::string_view method,
                std::string_view path,
                std::string_view name_parameter) {
  return TreeObject{{"id", id},
                    {"httpMethod", method},
                    {"path", path},
                    {"parameters", {{name_parameter, parameter("path", true)}}},
                    {"parameterOrder", TreeArray{Tree(name_parameter)}}};
}

Tree with(Tree method, std::string_view key, std::string_view type) {
  method.as_object()[key] = {{"$ref", type}};
  return method;
}

Tree resources() {
  const TreeObject units{
      {"List", list_method("fleet.Unit.List", "units", "UnitPage", {})},
      {"Get",
       with(one_method("fleet.Unit.Get", "GET", "units/{unitName}", "unitName"),
            "response",
            "Unit")},
      {"Delete", one_method("fleet.Unit.Delete", "DELETE", "units/{unitName}", "unitName")},
      {"Set",
       with(
           one_method("fleet.Unit.Set", "PUT", "units/{unitName}", "unitName"), "request", "Unit")},
  };
  const TreeObject states{
      {"List",
       list_method("fleet.UnitState.List", "state", "UnitStatePage", {"unitName", "machineID"})},
      {"Get",
       with(one_method("fleet.UnitState.Get", "GET", "state/{unitName}", "unitName"),
            "response",
            "UnitState")},
  };
  const TreeObject machines{
      {"List", list_method("fleet.Machine.List", "machines", "MachinePage", {})},
  };
  return TreeObject{{"Machines", {{"methods", machines}}},
                    {"Units", {{"methods", units}}},
                    {"UnitState", {{"methods", states}}}};
}

}  // namespace

std::string discovery_document(std::string_view host) {
  const std::string root = "http://" + std::string(host) + "/";
  return object::to_json(TreeObject{{"kind", "discovery#restDescription"},
                                    {"discoveryVersion", "v1"},
                                    {"id", "fleet:v1"},
                                    {"name", "schema"},
                                    {"title", "fleet API"},
                                    {"description", ""},
                                    {"documentationLink", "http://github.com/coreos/fleet"},
                                    {"protocol", "rest"},
                                    {"icons", {{"x16", ""}, {"x32", ""}}},
                                    {"labels", TreeArray{}},
                                    {"baseUrl", root + "fleet/v1/"},
                                    {"basePath", "/fleet/v1/"},
                                    {"rootUrl", root},
                                    {"servicePath", "fleet/v1/"},
                                    {"batchPath", "batch"},
                                    {"version", "v1"},
                                    {"auth", TreeObject{}},
                                    {"schemas", schemas()},
                                    {"resources", resources()}});
}

}  // namespace tetrarch::api::fleet
