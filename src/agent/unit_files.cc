// SPDX-License-Identifier: Apache-2.0
#include "agent/unit_files.h"

#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "agent/volume_files.h"
#include "object/document.h"
#include "object/writer.h"
#include "unitfile/unit_file.h"
#include "unitfile/unit_name.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNotes = ".notes";  // no unit's name: those have no leading dot here
constexpr std::string_view kBus = ".bus";
constexpr int kUnitMode = 0644;
constexpr int kNoteMode = 0600;

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// A link that leads nowhere is there too.
bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

bool has_hash(const fs::path& file, const std::string& hash) {
  const auto options = unitfile::parse(read_text(file));
  return options.ok() && unitfile::hash_of(*options) == hash;
}

Error file_error(std::string_view what, const fs::path& path, const std::error_code& error) {
  return {Code::internal, fmt::format("cannot {} {}: {}", what, path.string(), error.message())};
}

std::string text_of(const UnitNote& note) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().field("uid", note.uid).field("namespace", note.ns);
  writer.field("pod", note.pod).field("hash", note.hash).field("launched", note.is_launched);
  writer.field("restarts", static_cast<std::int64_t>(note.restarts)).end_object();
  return out;
}

}  // namespace

fs::path UnitFiles::note_file(std::string_view unit) const {
  return directory_ / kNotes / unit;
}

Status UnitFiles::prepare(const std::string& bus) const {
  std::error_code error;
  fs::create_directories(directory_ / kNotes, error);
  return error ? Status(file_error("make", directory_ / kNotes, error))
               : write_file(directory_ / kBus, bus, kNoteMode);
}

std::string UnitFiles::bus() const {
  return read_text(directory_ / kBus);
}

Result<std::vector<UnitNote>> UnitFiles::read() const {
  std::vector<UnitNote> out;
  std::error_code error;
  fs::directory_iterator entries(directory_ / kNotes, error);
  if (error == std::errc::no_such_file_or_directory) {
    return out;
  }
  if (error) {
    return file_error("read", directory_ / kNotes, error);
  }
  for (const auto& entry : entries) {
    UnitNote note;
    note.unit = entry.path().filename().string();
    if (!unitfile::check_name(note.unit).ok()) {
      continue;  // half written by a process that ended: its renaming never came
    }
    const auto read = Document::parse(read_text(entry.path()));
    if (read.ok()) {
      const auto root = (*read)->root();
      note.uid = root["uid"].string();
      note.ns = root["namespace"].string();
      note.pod = root["pod"].string();
      note.hash = root["hash"].string();
      note.is_launched = root["launched"].boolean();
      note.restarts = static_cast<std::uint64_t>(root["restarts"].integer());
    }
    note.is_whole = has_hash(file(note.unit), note.hash);
    out.push_back(std::move(note));
  }
  return out;
}

Status UnitFiles::place(const UnitNote& note, std::string_view text) const {
  if (!is_there(note_file(note.unit)) && is_there(file(note.unit))) {
    return Error{Code::precondition,
                 fmt::format("{} is there already, and was not placed by this agent",
                             file(note.unit).string())};
  }
  TRY_STATUS(write(note));
  return write_file(file(note.unit), text, kUnitMode);
}

Status UnitFiles::write(const UnitNote& note) const {
  return write_file(note_file(note.unit), text_of(note), kNoteMode);
}

Status UnitFiles::remove(std::string_view unit) const {
  for (const auto& path : {file(unit), note_file(unit)}) {
    std::error_code error;
    fs::remove(path, error);
    if (error) {
      return file_error("remove", path, error);
    }
  }
  return ok();
}

Status check_own(const systemd::Fragment& found, const std::string& unit, const fs::path& ours) {
  // Seen: systemd 252 names the link, not the file that it leads to. The file may be lost.
  std::error_code ignored;
  if (found.load == "not-found" || found.file == ours ||
      fs::read_symlink(found.file, ignored) == ours || fs::equivalent(found.file, ours, ignored)) {
    return ok();
  }
  return Error{Code::precondition,
               fmt::format("the machine has a unit {} of its own ({}, {}), which is left alone",
                           unit,
                           found.load,
                           found.file.empty() ? "without a file" : found.file.string())};
}

}  // namespace tetrarch::agent
