// SPDX-License-Identifier: Apache-2.0
#include "agent/network/nft.h"

#include <nftables/libnftables.h>

#include "base/check.h"

namespace tetrarch::agent::network {

void Nft::Free::operator()(nft_ctx* context) const {
  nft_ctx_free(context);
}

Nft::Nft() : context_(nft_ctx_new(NFT_CTX_DEFAULT)) {
  CHECK(context_ != nullptr);
  nft_ctx_buffer_output(context_.get());
  nft_ctx_buffer_error(context_.get());
}

Nft::~Nft() = default;

Status Nft::run(const std::string& commands) {
  if (nft_run_cmd_from_buffer(context_.get(), commands.c_str()) == 0) {
    nft_ctx_get_output_buffer(context_.get());
    return ok();
  }
  return Error{Code::internal,
               std::string("nftables: ") + nft_ctx_get_error_buffer(context_.get())};
}

bool Nft::has_table(const std::string& table) {
  return run("list table ip " + table).ok();
}

}  // namespace tetrarch::agent::network
