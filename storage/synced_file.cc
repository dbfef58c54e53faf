#include "storage/synced_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

namespace headrace::storage {

// Synced, then renamed into place, then the directory synced.
bool write_synced(const std::string& dir, const std::string& name, mode_t mode,
                  const std::string& text) {
  const std::string path = dir + "/" + name;
  const std::string fresh = path + ".new";
  ::unlink(fresh.c_str());  // of a start that ended here; its permissions do not count
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
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

}  // namespace headrace::storage
