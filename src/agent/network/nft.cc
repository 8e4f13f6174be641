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

std::string Nft::list_sets(const std::string& table) {
  const auto before = nft_ctx_output_get_flags(context_.get());
  nft_ctx_output_set_flags(context_.get(), before | NFT_CTX_OUTPUT_JSON);
  const auto command = "list sets table ip " + table;
  const bool is_there = nft_run_cmd_from_buffer(context_.get(), command.c_str()) == 0;
  // Both are emptied, whichever has something.
  std::string out = nft_ctx_get_output_buffer(context_.get());
  nft_ctx_get_error_buffer(context_.get());
  nft_ctx_output_set_flags(context_.get(), before);
  return is_there ? out : std::string();
}

bool Nft::has_table(const std::string& table) {
  return run("list table ip " + table).ok();
}

}  // namespace tetrarch::agent::network
