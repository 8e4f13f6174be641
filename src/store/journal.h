// SPDX-License-Identifier: Apache-2.0
// Journal: the seam behind the store. Keeps pairs of bytes; knows neither objects nor revisions.
// Called by one thread at a time: at open by the opener, then by the committer only.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tetrarch::store {

class Journal {
 public:
  /// A put of head + body (two pieces, so that a document is not copied), or a delete.
  struct Write {
    std::string key;
    std::string head;
    std::string_view body;  ///< borrowed for the call
    bool is_delete = false;
  };

  using Visit = std::function<Status(std::string_view key, std::string_view value)>;

  virtual ~Journal() = default;
  /// Every pair in bytewise order of the keys; stops at the first error of `visit` and returns it.
  virtual Status load(const Visit& visit) = 0;
  /// Once, after load and before the first append: what was loaded has been found whole, and what
  /// is kept may be changed from here on. Until then nothing on the disk is.
  virtual Status begin() = 0;
  /// All or nothing, and after all earlier appends. On success it survives kill -9, with
  /// `is_durable` power loss too. After an error nothing is known about the batch, and every
  /// further append fails as well.
  virtual Status append(const std::vector<Write>& writes, bool is_durable) = 0;
  /// Where it is, for messages: a path.
  virtual std::string place() const = 0;
};

}  // namespace tetrarch::store
