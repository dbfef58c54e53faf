// The event loop of one client: one thread, epoll, timers, and functions posted by other threads.
//
// post() is for any thread; everything else is for functions that run on the loop itself. The
// destructor (any thread but the loop's own) ends the thread; functions still posted do not run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace headrace::client {

class Loop {
 public:
  using Function = std::function<void()>;
  using ReadyFunction = std::function<void(uint32_t epoll_events)>;
  using TimerId = std::pair<int64_t, uint64_t>;  // due µs and a number; {0, 0} is no timer

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void post(Function function);
  bool on_loop_thread() const { return std::this_thread::get_id() == thread_.get_id(); }

  // Replaces an earlier watch of the descriptor. The descriptor stays the caller's.
  void watch(int fd, uint32_t epoll_events, ReadyFunction ready);
  void rearm(int fd, uint32_t epoll_events);
  void unwatch(int fd);

  TimerId after_us(int64_t delay_us, Function function);
  void cancel(TimerId* timer);  // sets it to {0, 0}; unknown or fired: nothing happens

  static int64_t now_us();  // monotonic; any thread

 private:
  void run();
  void run_posted();
  int run_timers();  // ms until the next one, -1: none

  int epoll_ = -1;
  int wake_ = -1;
  std::mutex mutex_;  // posted_ and stop_
  std::vector<Function> posted_;
  bool stop_ = false;
  std::map<TimerId, Function> timers_;
  uint64_t next_timer_ = 1;
  std::unordered_map<int, ReadyFunction> watched_;
  std::thread thread_;  // last: starts when the rest is there
};

}  // namespace headrace::client
