#include "client/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "metrics/check.h"

namespace headrace::client {

Loop::Loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)), wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  HR_CHECK(epoll_ >= 0 && wake_ >= 0);
  epoll_event event{.events = EPOLLIN, .data = {.fd = wake_}};
  HR_CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) == 0);
  thread_ = std::thread([this] { run(); });
}

Loop::~Loop() {
  HR_CHECK(!on_loop_thread());
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  eventfd_write(wake_, 1);
  thread_.join();
  close(wake_);
  close(epoll_);
}

int64_t Loop::now_us() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

void Loop::post(Function function) {
  bool first;
  {
    const std::lock_guard lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(function));
  }
  if (first) eventfd_write(wake_, 1);
}

void Loop::watch(int fd, uint32_t epoll_events, ReadyFunction ready) {
  epoll_event event{.events = epoll_events, .data = {.fd = fd}};
  const int op = watched_.contains(fd) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  HR_CHECK(epoll_ctl(epoll_, op, fd, &event) == 0);
  watched_[fd] = std::move(ready);
}

void Loop::rearm(int fd, uint32_t epoll_events) {
  epoll_event event{.events = epoll_events, .data = {.fd = fd}};
  HR_CHECK(epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event) == 0);
}

void Loop::unwatch(int fd) {
  if (watched_.erase(fd) != 0) epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
}

Loop::TimerId Loop::after_us(int64_t delay_us, Function function) {
  const TimerId id{now_us() + delay_us, next_timer_++};
  timers_.emplace(id, std::move(function));
  return id;
}

void Loop::cancel(TimerId* timer) {
  timers_.erase(*timer);
  *timer = {0, 0};
}

void Loop::run_posted() {
  std::vector<Function> taken;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(posted_);
  }
  for (Function& function : taken) function();
}

int Loop::run_timers() {
  while (!timers_.empty()) {
    const auto first = timers_.begin();
    const int64_t wait_us = first->first.first - now_us();
    if (wait_us > 0) return static_cast<int>((wait_us + 999) / 1000);
    Function function = std::move(first->second);
    timers_.erase(first);
    function();
  }
  return -1;
}

void Loop::run() {
  epoll_event events[16];
  while (true) {
    run_posted();
    const int wait_ms = run_timers();
    const int count = epoll_wait(epoll_, events, 16, wait_ms);
    HR_CHECK(count >= 0 || errno == EINTR);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == wake_) {
        eventfd_t ignored;
        eventfd_read(wake_, &ignored);
        const std::lock_guard lock(mutex_);
        if (stop_) return;
        continue;
      }
      // A callback may unwatch a descriptor that is still in this round's list.
      const auto found = watched_.find(events[i].data.fd);
      if (found == watched_.end()) continue;
      const ReadyFunction ready = found->second;
      ready(events[i].events);
    }
  }
}

}  // namespace headrace::client
