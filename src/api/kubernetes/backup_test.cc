// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/api_fixture.h"

namespace tetrarch::api::kubernetes {
namespace {

class BackupRoute : public ApiTest {
 protected:
  /// A handler that gives out these pieces, then `last`.
  void serve(std::deque<std::string> pieces, Result<std::string> last) {
    auto parts = make_parts();
    parts.begin_backup = [this, pieces, last]() -> NextPiece {
      ++begun_;
      return [left = pieces, last]() mutable -> Result<std::string> {
        if (left.empty()) {
          return last;
        }
        auto piece = left.front();
        left.pop_front();
        return piece;
      };
    };
    api_ = make_kubernetes_api(std::move(parts));
  }

  int begun_ = 0;
};

TEST_F(BackupRoute, StreamsEveryPiece) {
  serve({"one ", "two ", "three"}, std::string());
  const auto& answer = get("/tetrarch/v1/backup");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.get("Content-Type"), "application/octet-stream");
  EXPECT_EQ(answer.body, "one two three");
  EXPECT_EQ(answer.writes, 3U);
  EXPECT_TRUE(answer.is_finished);
  EXPECT_EQ(registry_.authorized.path, "/tetrarch/v1/backup");
}

TEST_F(BackupRoute, AFailureLeavesTheStreamWithoutItsEnd) {
  serve({"one "}, Error{Code::internal, "no key"});
  const auto& answer = get("/tetrarch/v1/backup");
  EXPECT_EQ(answer.body, "one ");
  EXPECT_FALSE(answer.is_finished);
}

TEST_F(BackupRoute, IsForThoseWhoMayReadThePath) {
  serve({"one"}, std::string());
  registry_.refusal = Error{Code::forbidden, "no"};
  EXPECT_EQ(get("/tetrarch/v1/backup").status, 403);
  EXPECT_EQ(begun_, 0);
}

}  // namespace
}  // namespace tetrarch::api::kubernetes
