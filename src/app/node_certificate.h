// SPDX-License-Identifier: Apache-2.0
// NodeCertificate: what a node shows to the server, kept on disk, and its renewal: before it ends
// the node asks for the next by a CertificateSigningRequest that it makes with the present one.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "app/config.h"
#include "async/task.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "client/client.h"
#include "trust/ca.h"

namespace tetrarch::app {

/// What a node keeps of its joining, below <data-dir>/agent: all PEM.
struct JoinFiles {
  explicit JoinFiles(const Config& config)
      : folder(std::filesystem::path(config.data_dir) / "agent") {}

  std::filesystem::path folder;

  std::filesystem::path ca() const { return folder / "ca.crt"; }

  /// Certificate and key in one file, so that a new pair replaces the old in one step.
  std::filesystem::path client() const { return folder / "client.pem"; }

  /// What is the same on all machines of the cluster (cluster_settings).
  std::filesystem::path settings() const { return folder / "cluster.json"; }

  /// The URL by which the cluster was last reached, for `tetrarch node leave`.
  std::filesystem::path server() const { return folder / "server"; }

  // As versions before kept them.
  std::filesystem::path old_certificate() const { return folder / "client.crt"; }

  std::filesystem::path old_key() const { return folder / "client.key"; }
};

/// The pair in the folder; nothing: the machine has not joined.
Result<std::optional<trust::KeyPair>> read_pair(const JoinFiles& files);
Status write_pair(const JoinFiles& files, const trust::KeyPair& pair);

/// Whether a machine has to join, with what it keeps of a joining before: also where that has
/// ended, since nobody would answer it. Code::unauthenticated: it has ended, and there is no token.
Result<bool> needs_to_join(const std::optional<trust::KeyPair>& kept,
                           std::string_view token,
                           TimePoint now);

/// When a certificate is to be renewed: at two thirds of its life, not counting the backdating.
TimePoint renewal_time(const trust::CertificateInfo& certificate);

class CertificateRenewal {
 public:
  struct Parts {
    client::Client& client;
    /// Takes a new pair into use, wherever the node shows its certificate.
    std::function<Status(const trust::KeyPair& pair)> use;
    const Clock& clock;
    Random& random;
  };

  /// `files`: where a new pair is kept; none: only in memory.
  CertificateRenewal(Parts parts,
                     std::string node,
                     trust::KeyPair present,
                     std::optional<JoinFiles> files);

  /// Renews whenever it is time. Owned by a TaskGroup.
  Task<void> run();
  /// Asks for a certificate and takes it into use. Code::forbidden: the request was denied.
  Task<Status> renew();

 private:
  Task<Result<std::string>> certificate_for(std::string csr_pem);

  Parts parts_;
  const std::string node_;
  trust::KeyPair present_;
  const std::optional<JoinFiles> files_;
};

}  // namespace tetrarch::app
