// SPDX-License-Identifier: Apache-2.0
// `tetrarch store check`: whether a store or a backup is whole, and what is lost where it is not.
#include <filesystem>
#include <vector>

#include <fmt/format.h>

#include "app/backup_file.h"
#include "app/command.h"
#include "app/keys.h"
#include "app/store_commands.h"
#include "trust/secret_file.h"

namespace tetrarch::app {
namespace {

constexpr std::size_t kShown = 100;  // sentences; a disk that dies can be worth thousands

void print_damage(const std::vector<std::string>& damage) {
  for (std::size_t i = 0; i < damage.size() && i < kShown; ++i) {
    fmt::print("  - {}\n", damage[i]);
  }
  if (damage.size() > kShown) {
    fmt::print("  … and {} more\n", damage.size() - kShown);
  }
}

int print_report(const std::string& what,
                 const store::CheckReport& report,
                 std::string_view advice) {
  if (report.damage.empty()) {
    fmt::print("{} is whole: format {}, {}, up to revision {}\n",
               what,
               report.format,
               count_objects(report),
               report.last);
    return 0;
  }
  fmt::print("{} is damaged:\n", what);
  print_damage(report.damage);
  fmt::print("what can still be read: {}, up to revision {}\n{}\n",
             count_objects(report),
             report.last,
             advice);
  return 1;
}

int check_backup(const std::string& file) {
  const auto backup = BackupFile::open(file);
  if (!backup.ok()) {
    return fail(backup.error().message);
  }
  const auto report = backup->check();
  if (!report.ok()) {
    return fail(report.error().message);
  }
  return print_report(
      fmt::format("the backup {} of {}", file, format_time(backup->head().taken_at)),
      *report,
      "use an older one");
}

int check_directory(const Config& config) {
  const auto sealing = sealing_of(config);
  if (!sealing.ok()) {
    return fail(sealing.error().message);
  }
  const auto directory = store_directory(config);
  const auto report = store::check_store(directory, *sealing);
  if (!report.ok()) {
    const auto* const hint =
        report.error().code == Code::unavailable
            ? " (a store in use is checked by a backup: `tetrarch store backup FILE` and "
              "`tetrarch store check FILE`)"
            : "";
    return fail(report.error().message + hint);
  }
  const auto advice = fmt::format(
      "Nothing was changed. Keep a copy of the directory; then `tetrarch store restore BACKUP "
      "--data-dir {} --force` puts a backup in its place",
      config.data_dir);
  return print_report(fmt::format("the store in {}", directory), *report, advice);
}

}  // namespace

int check(const Config& config, const std::string& file) {
  return file.empty() ? check_directory(config) : check_backup(file);
}

std::string store_directory(const Config& config) {
  return config.data_dir + "/server/store";
}

std::string count_objects(const store::CheckReport& report) {
  std::uint64_t objects = 0;
  std::vector<std::string> parts;
  for (const auto& [resource, sum] : report.found) {
    objects += sum.objects;
    parts.push_back(fmt::format("{} {}", resource, sum.objects));
  }
  return parts.empty() ? "no objects"
                       : fmt::format("{} objects ({})", objects, fmt::join(parts, ", "));
}

Result<store::Sealing> sealing_of(const Config& config) {
  TRY(const auto text, trust::read_file_if_present(encryption_key_file(config)));
  if (!text) {
    return store::Sealing{};
  }
  TRY(auto ring, trust::KeyRing::from_text(*text));
  return sealing_with(std::make_shared<RestKeys>(std::move(ring)));
}

}  // namespace tetrarch::app
