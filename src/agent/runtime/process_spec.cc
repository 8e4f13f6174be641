// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/process_spec.h"

#include "object/tree.h"

namespace tetrarch::agent::runtime {

Result<std::string> process_spec(std::string_view container_spec_json,
                                 const std::vector<std::string>& command,
                                 bool has_tty) {
  TRY(const auto document, Document::parse(container_spec_json));
  const auto process = document->root()["process"];
  if (!process.is_object()) {
    return Error{Code::internal, "the container has no process in its specification"};
  }
  auto tree = object::to_tree(process);
  auto& members = tree.get_object();
  object::TreeArray args;
  for (const auto& word : command) {
    args.emplace_back(boost::json::string_view(word.data(), word.size()));
  }
  members["args"] = std::move(args);
  members["terminal"] = has_tty;
  members.erase("consoleSize");
  if (has_tty) {
    bool has_term = false;
    for (const auto entry : process["env"].elements()) {
      has_term = has_term || entry.string().starts_with("TERM=");
    }
    if (!has_term) {
      if (!members["env"].is_array()) {
        members["env"] = object::TreeArray();
      }
      members["env"].get_array().emplace_back("TERM=xterm");
    }
  }
  return object::to_json(tree);
}

}  // namespace tetrarch::agent::runtime
