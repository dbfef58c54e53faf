#include "broker/identity.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <random>
#include <sstream>

namespace headrace::broker {
namespace {

std::string random_id() {
  std::random_device device;
  static constexpr char kHex[] = "0123456789abcdef";
  std::string id = "hr-";
  for (int i = 0; i < 16; ++i) id += kHex[device() % 16];
  return id;
}

// Synced, then renamed into place, then the directory synced: it is there whole or not at all.
bool write_synced(const std::string& dir, const std::string& path, const std::string& text) {
  const std::string fresh = path + ".new";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return false;
  bool ok = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ok = ok && ::fsync(fd) == 0;
  ::close(fd);
  ok = ok && ::rename(fresh.c_str(), path.c_str()) == 0;
  const int dir_fd = ok ? ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (dir_fd < 0) return false;
  ok = ::fsync(dir_fd) == 0;
  ::close(dir_fd);
  return ok;
}

}  // namespace

bool load_identity(const std::string& data_dir, uint32_t shards, Identity* identity,
                   std::string* error) {
  const std::string path = data_dir + "/IDENTITY";
  std::ifstream file(path);
  if (file) {
    std::string name, value;
    while (file >> name >> value) {
      if (name == "cluster_id") identity->cluster_id = value;
      if (name == "shards") {
        std::from_chars(value.data(), value.data() + value.size(), identity->shards);
      }
    }
    if (!identity->cluster_id.empty() && identity->shards >= 1 && identity->shards <= 4096) {
      return true;
    }
    *error = path + " does not say cluster_id and shards (1 to 4096); restore it from a backup";
    return false;
  }
  *identity = {random_id(), shards};
  std::ostringstream text;
  text << "cluster_id " << identity->cluster_id << "\nshards " << identity->shards << "\n";
  if (write_synced(data_dir, path, text.str())) return true;
  *error = "cannot write " + path + ": " + std::strerror(errno);
  return false;
}

}  // namespace headrace::broker
