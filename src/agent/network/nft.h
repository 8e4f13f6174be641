// SPDX-License-Identifier: Apache-2.0
// Nft: runs batches of nftables commands through libnftables, each wholly or not at all. Blocking;
// one thread at a time.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

struct nft_ctx;

namespace tetrarch::agent::network {

class Nft {
 public:
  Nft();
  ~Nft();
  Nft(const Nft&) = delete;
  Nft& operator=(const Nft&) = delete;

  /// Code::internal with the kernel's or the parser's words; then nothing was changed.
  Status run(const std::string& commands);
  bool has_table(const std::string& table);

 private:
  struct Free {
    void operator()(nft_ctx* context) const;
  };

  std::unique_ptr<nft_ctx, Free> context_;
};

}  // namespace tetrarch::agent::network
