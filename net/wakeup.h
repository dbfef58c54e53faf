// Ends the sleep of a reactor from other threads, with a system call only if it really sleeps.
// The reactor says that it will sleep and then looks for a wake; a producer leaves its wake and
// then looks whether the reactor sleeps. Each side stores before it loads (sequentially
// consistent), so at least one of them sees the other.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

namespace headrace::net {

class Wakeup {
 public:
  Wakeup() = default;
  ~Wakeup() {
    if (fd_ >= 0) ::close(fd_);
  }
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  int open() {  // 0 or an errno
    fd_ = ::eventfd(0, EFD_CLOEXEC);
    return fd_ >= 0 ? 0 : errno;
  }
  // Readable (8 bytes) once somebody wakes the sleeper.
  int fd() const { return fd_; }

  // The reactor: before it sleeps (false: do not), and always afterwards. Whatever a producer
  // queued before its wake() is visible after awake().
  bool may_sleep() {
    sleeping_.store(true);
    return !pending_.load();
  }
  void awake() {
    sleeping_.store(false);
    pending_.exchange(false);
  }

  // Any thread; one write per sleep.
  void wake() noexcept {
    pending_.store(true);
    if (!sleeping_.exchange(false)) return;
    const uint64_t one = 1;
    // Fails only when the counter is full, and then the sleeper is being woken anyway.
    [[maybe_unused]] const ssize_t written = ::write(fd_, &one, sizeof(one));
  }

 private:
  int fd_ = -1;
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> pending_{false};
};

}  // namespace headrace::net
