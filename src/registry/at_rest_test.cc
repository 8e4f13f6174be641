// SPDX-License-Identifier: Apache-2.0
// Secrets on disk: nobody who reads the store's files reads them.
#include "trust/at_rest.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/encoding.h"
#include "registry/fixture.h"
#include "store/journal_rocksdb.h"

namespace tetrarch::registry {
namespace {

namespace fs = std::filesystem;

class AtRestTest : public RegistryTest {
 protected:
  AtRestTest() : ring_(trust::KeyRing::create(random_)) {
    directory_ = fs::temp_directory_path() / ("at-rest-" + make_uuid(system_random()));
    reopen();
    EXPECT_TRUE(run(registry_->bootstrap()).ok());
  }

  ~AtRestTest() override {
    registry_.reset();
    store_.reset();
    fs::remove_all(directory_);
  }

  /// As a server does it: secrets go through the key ring.
  void reopen() {
    registry_.reset();
    store_.reset();
    auto journal = store::open_rocksdb_journal({.directory = directory_.string()});
    ASSERT_TRUE(journal.ok()) << journal.error().message;
    store::Options options;
    options.sealing.resources = {"secrets"};
    options.sealing.seal = [this](std::string_view plain,
                                  std::string_view bound) -> Result<std::string> {
      return ring_.seal(bound, plain);
    };
    options.sealing.open = [this](std::string_view sealed, std::string_view bound) {
      return ring_.open(bound, sealed);
    };
    auto opened = store::Store::open(*std::move(journal), std::move(options));
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    store_ = *std::move(opened);
    restart(Options());
  }

  bool is_on_disk(std::string_view text) const {
    for (const auto& entry : fs::recursive_directory_iterator(directory_)) {
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>{in}, {}};
      if (bytes.find(text) != std::string::npos) {
        return true;
      }
    }
    return false;
  }

  fs::path directory_;
  trust::KeyRing ring_;
};

TEST_F(AtRestTest, SecretsAreNowhereInTheFilesAndThereAfterARestart) {
  const std::string secret = "marker-of-a-secret-0123456789";
  const std::string plain = "marker-of-a-map-0123456789";
  open_namespace("default");
  ASSERT_TRUE(create("secrets",
                     "default",
                     R"({"metadata":{"name":"s","annotations":{"note":"annotated-marker"}},)"
                     R"("stringData":{"password":")" +
                         secret + R"("}})")
                  .ok());
  ASSERT_TRUE(create("configmaps",
                     "default",
                     R"({"metadata":{"name":"c"},"data":{"text":")" + plain + R"("}})")
                  .ok());
  ASSERT_TRUE(merge("secrets", "default", "s", R"({"stringData":{"more":"second-marker"}})").ok());

  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(is_on_disk(plain)) << "the scan finds what is there";
    for (const auto& marker : {secret, std::string("second-marker")}) {
      EXPECT_FALSE(is_on_disk(marker));
      EXPECT_FALSE(is_on_disk(base64_encode(marker)));
    }
    EXPECT_FALSE(is_on_disk("annotated-marker")) << "the whole object is sealed";
    reopen();
    EXPECT_EQ(get("secrets", "default", "s")->root().find("data.password").string(),
              base64_encode(secret));
  }
}

}  // namespace
}  // namespace tetrarch::registry
