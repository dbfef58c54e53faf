// A broker without a broker: a thread that takes the load generator's connections, reads what comes
// and acknowledges it at once. What the load costs on the same cores when nothing is stored.
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "net/io.h"

namespace headrace::bench {

class Sink {
 public:
  Sink();
  ~Sink();  // ends the thread; close the connections first or they break
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  const net::Endpoint& endpoint() const { return endpoint_; }

 private:
  struct Peer;

  void run();
  bool serve(Peer* peer);

  net::Endpoint endpoint_;
  int listener_ = -1;
  std::atomic<bool> stop_{false};
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<std::byte> buffer_;
  std::thread thread_;
};

}  // namespace headrace::bench
