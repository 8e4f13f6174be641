// SPDX-License-Identifier: Apache-2.0
#include "store/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/check.h"
#include "store/directory_fixture.h"
#include "store/record.h"

namespace tetrarch::store {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const TimePoint kNow = *parse_time("2026-11-23T12:00:00Z");

class BackupTest : public DirectoryTest {
 protected:
  /// Two resources, a Secret among them, and enough for several pieces.
  Store& fill() {
    Store& store = start(sealed());
    for (int i = 0; i < 900; ++i) {
      must_put(
          store, pod("p" + std::to_string(i), i % 2 == 0 ? "one" : "two"), std::string(900, 'x'));
    }
    must_put(store, {"secrets", "one", "s"}, "hidden", "tag");
    must_commit(store, change(remove(pod("p7", "two"))));
    return store;
  }

  /// Reverses the text of a Secret.
  static Options sealed() {
    Options options;
    options.sealing.resources = {"secrets"};
    options.sealing.seal = [](std::string_view plain, std::string_view) -> Result<std::string> {
      return std::string(plain.rbegin(), plain.rend());
    };
    options.sealing.open = options.sealing.seal;
    return options;
  }

  static std::string take(BackupSource& source) {
    std::string bytes;
    while (true) {
      const auto piece = source.next();
      EXPECT_TRUE(piece.ok());
      if (piece->empty()) {
        return bytes;
      }
      bytes += *piece;
    }
  }

  static std::string take(Store& store) {
    BackupSource source(store.snapshot(), sealed().sealing, kNow);
    return take(source);
  }

  /// Why it cannot be read; empty where it can.
  static std::string why_not(std::string_view bytes, std::size_t piece = 10'007) {
    BackupDecoder decoder;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      const auto pushed =
          decoder.push(bytes.substr(at, piece), [](const BackupFrame&) { return ok(); });
      if (!pushed.ok()) {
        return pushed.error().message;
      }
    }
    const auto finished = decoder.finish();
    return finished.ok() ? "" : finished.error().message;
  }

  std::unique_ptr<Store> restore(const std::string& bytes, std::uint64_t revision) {
    auto journal = open_rocksdb_journal({.directory = root_ / "restored"}).value();
    EXPECT_TRUE(journal->begin().ok());
    RestoreWriter writer(*journal, revision);
    BackupDecoder decoder;
    EXPECT_TRUE(decoder
                    .push(bytes,
                          [&](const BackupFrame& frame) {
                            return frame.type == BackupFrame::Type::pair
                                       ? writer.put(frame.key, frame.value)
                                       : ok();
                          })
                    .ok());
    EXPECT_TRUE(writer.finish().ok());
    journal.reset();
    EXPECT_THAT(check_store(root_ / "restored", sealed().sealing).value().damage, IsEmpty());
    return Store::open(open_rocksdb_journal({.directory = root_ / "restored"}).value(), sealed())
        .value();
  }
};

TEST_F(BackupTest, BringsEveryObjectBackAsItWas) {
  Store& store = fill();
  const auto before = contents(store.snapshot());
  const auto bytes = take(store);
  EXPECT_EQ(bytes.find("hidden"), std::string::npos) << "Secrets stay sealed";
  stop();

  const auto restored = restore(bytes, 50'000);
  EXPECT_EQ(contents(restored->snapshot()), before);
  EXPECT_EQ(text_of(restored->snapshot().get({"secrets", "one", "s"})->document), "hidden");
}

TEST_F(BackupTest, IsOfOneRevisionHoweverMuchIsWrittenMeanwhile) {
  Store& store = fill();
  const auto before = contents(store.snapshot());
  BackupSource source(store.snapshot(), sealed().sealing, kNow);
  std::string bytes = source.next().value();
  bytes += source.next().value();
  must_put(store, pod("later", "a"), "1");
  must_put(store, pod("p899", "two"), "changed");
  must_commit(store, change(remove(pod("p898", "one"))));

  bytes += take(source);
  EXPECT_EQ(contents(restore(bytes, 50'000)->snapshot()), before);
}

TEST_F(BackupTest, AfterARestoreNoRevisionComesTwiceAndOldWatchesExpire) {
  Store& store = fill();
  const auto bytes = take(store);
  const Revision backed_up = store.snapshot().revision();
  const Revision seen = must_put(store, pod("after", "one"), "lost");

  BackupDecoder decoder;
  ASSERT_TRUE(decoder.push(bytes, [](const BackupFrame&) { return ok(); }).ok());
  ASSERT_EQ(decoder.head()->revision, backed_up);
  const auto revision = revision_after_restore(*decoder.head(), kNow);
  const auto restored = restore(bytes, revision);

  EXPECT_EQ(restored->watch({"pods"}, seen).error().code, Code::expired);
  EXPECT_TRUE(restored->watch({"pods"}, backed_up).ok()) << "who saw no more has missed nothing";
  EXPECT_GT(must_put(*restored, pod("new", "one"), "1"), seen);
  EXPECT_GT(restored->snapshot().revision().number, revision);
}

TEST_F(BackupTest, GoesOnAboveWhatTheClusterCanHaveWrittenSince) {
  const BackupHead head{Revision{5'000}, kNow};
  EXPECT_EQ(revision_after_restore(head, kNow), 5'000 + kRevisionGap);
  EXPECT_EQ(revision_after_restore(head, kNow - std::chrono::hours(5)), 5'000 + kRevisionGap)
      << "a clock that goes back";
  EXPECT_EQ(revision_after_restore(head, kNow + std::chrono::hours(24)),
            5'000 + std::uint64_t{86'400} * 100'000);
}

TEST_F(BackupTest, NoticesEveryFlippedBitAndEveryCut) {
  const auto bytes = take(fill());
  ASSERT_EQ(why_not(bytes), "");
  ASSERT_EQ(why_not(bytes, 1), "");
  for (std::size_t i = 0; i < 200; ++i) {
    const std::size_t at = (bytes.size() - 1) * i / 199;
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (i % 8)));
    EXPECT_NE(why_not(flipped), "") << "flipped at " << at;
    EXPECT_NE(why_not(bytes.substr(0, at)), "") << "cut at " << at;
  }
  EXPECT_THAT(why_not(bytes.substr(0, bytes.size() - 1)), HasSubstr("its end is missing"));
  EXPECT_THAT(why_not(bytes + "x"), HasSubstr("something follows its end"));
  EXPECT_THAT(why_not("PK\3\4 something else"), HasSubstr("no backup"));
}

TEST_F(BackupTest, NoticesAFrameThatIsMissing) {
  BackupEncoder encoder;
  std::string bytes = encoder.head({Revision{1}, kNow});
  std::string lost;
  encoder.pair(lost, "o/a", "1");
  std::string rest;
  encoder.pair(rest, "o/b", "2");
  rest += encoder.file("server/ca.key", "key");
  rest += encoder.end();
  EXPECT_EQ(why_not(bytes + lost + rest), "");
  EXPECT_THAT(why_not(bytes + rest), HasSubstr("is damaged at byte"));
}

TEST_F(BackupTest, FailsWhereASecretCannotBeSealed) {
  Store& store = fill();
  Sealing broken = sealed().sealing;
  broken.seal = [](std::string_view, std::string_view) -> Result<std::string> {
    return Error{Code::internal, "no key"};
  };
  BackupSource source(store.snapshot(), broken, kNow);
  Result<std::string> piece = source.next();
  while (piece.ok() && !piece->empty()) {
    piece = source.next();
  }
  EXPECT_EQ(piece.error().message, "no key");
}

}  // namespace
}  // namespace tetrarch::store
