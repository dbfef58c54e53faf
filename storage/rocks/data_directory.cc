#include "storage/rocks/data_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "storage/envelope.h"
#include "storage/synced_file.h"

namespace headrace::storage {
namespace {

namespace fs = std::filesystem;

using Versions = std::map<std::string, uint32_t>;

const Versions& our_versions() {
  static const Versions versions{{"headrace-format", 1},
                                 {"keys", kKeyGrammarVersion},
                                 {"envelope", kEnvelopeVersion},
                                 {"write-set", kWriteSetVersion}};
  return versions;
}

std::string errno_text() {
  return std::strerror(errno);
}

std::string in_dir(const std::string& dir) {
  return "data directory " + dir;
}

bool check_format(const std::string& dir, std::string* error) {
  std::ifstream file(dir + "/FORMAT");
  std::string name;
  int64_t version = 0;
  size_t known = 0;
  while (file >> name >> version) {
    const auto ours = our_versions().find(name);
    if (ours == our_versions().end() || version > ours->second) {
      std::ostringstream text;
      text << in_dir(dir) << " has format `" << name << ' ' << version << "`, this program knows ";
      if (ours == our_versions().end())
        text << "no such part";
      else
        text << "up to " << ours->second;
      text << ": it was written by a newer headrace; use that one";
      *error = text.str();
      return false;
    }
    ++known;
  }
  if (!file.eof() || known != our_versions().size()) {
    *error = in_dir(dir) + ": the file FORMAT is damaged; restore it from a backup";
    return false;
  }
  return true;
}

}  // namespace

bool write_format(const std::string& dir, std::string* error) {
  std::string text;
  for (const auto& [name, version] : our_versions()) {
    text += std::string(name) + ' ' + std::to_string(version) + '\n';
  }
  if (write_synced(dir, "FORMAT", 0644, text)) return true;
  *error = in_dir(dir) + ": cannot write FORMAT: " + errno_text();
  return false;
}

bool prepare_data_directory(const std::string& dir, std::string* error) {
  std::error_code code;
  fs::create_directories(dir, code);
  if (!fs::is_directory(dir)) {
    *error = in_dir(dir) + " cannot be made: " + (code ? code.message() : "it is not a directory");
    return false;
  }
  if (::access(dir.c_str(), R_OK | W_OK | X_OK) != 0) {
    *error = in_dir(dir) + (errno == EROFS ? " is on a read-only file system"
                                           : " is not writable: " + errno_text());
    return false;
  }
  if (fs::exists(dir + "/FORMAT")) return check_format(dir, error);
  if (fs::exists(dir + "/db/CURRENT")) {
    *error = in_dir(dir) + " has a database but no file FORMAT; restore it from a backup";
    return false;
  }
  return write_format(dir, error);
}

bool check_data_directory(const std::string& dir, std::string* error) {
  std::error_code ignored;
  if (!fs::is_directory(dir, ignored) || !fs::exists(dir + "/FORMAT", ignored)) {
    *error = in_dir(dir) + " is none: it has no file FORMAT";
    return false;
  }
  return check_format(dir, error);
}

std::string open_failure(const std::string& dir, std::string_view rocksdb_message,
                         bool corruption) {
  const auto has = [&](std::string_view part) {
    return rocksdb_message.find(part) != std::string_view::npos;
  };
  const std::string detail = " (" + std::string(rocksdb_message) + ")";
  if (has("lock hold by current process")) {
    return in_dir(dir) + " is already open in this process" + detail;
  }
  if (has("While lock file")) {
    return in_dir(dir) + " is locked by another process: another headrace serves it" + detail;
  }
  if (has("Read-only file system")) return in_dir(dir) + " is on a read-only file system" + detail;
  if (has("Permission denied")) return in_dir(dir) + " is not accessible to this user" + detail;
  if (has("No space left")) return in_dir(dir) + ": the disk is full" + detail;
  if (has("Too many open files")) {
    return in_dir(dir) + ": too many open files; raise LimitNOFILE (ulimit -n)" + detail;
  }
  if (corruption) {
    return in_dir(dir) + " is corrupt; nothing was changed, restore it from a backup" + detail;
  }
  return in_dir(dir) + " cannot be opened" + detail;
}

bool make_ballast(const std::string& dir, uint64_t bytes) {
  const std::string path = dir + "/ballast";
  if (bytes == 0) return true;
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (fd < 0) return false;
  const bool made = ::posix_fallocate(fd, 0, static_cast<off_t>(bytes)) == 0;
  ::close(fd);
  if (!made) ::unlink(path.c_str());
  return made;
}

bool release_ballast(const std::string& dir) {
  return ::unlink((dir + "/ballast").c_str()) == 0;
}

bool disk_space(const std::string& dir, DiskSpace* space) {
  struct statvfs stat {};
  if (::statvfs(dir.c_str(), &stat) != 0) return false;
  space->free_bytes = static_cast<uint64_t>(stat.f_bavail) * stat.f_frsize;
  space->total_bytes = static_cast<uint64_t>(stat.f_blocks) * stat.f_frsize;
  return true;
}

}  // namespace headrace::storage
