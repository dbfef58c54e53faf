// Says in the log why handshakes fail, at most a line a second: who floods the port does not flood
// the log. Thread: its owner's.
#pragma once

#include <cstdint>
#include <string_view>

#include "metrics/counters.h"
#include "metrics/log.h"
#include "metrics/time.h"

namespace headrace::net {

class TlsFailureLog {
 public:
  void note(std::string_view peer, std::string_view why, int64_t now_mono_us) {
    metrics::add(metrics::Counter::protocol_errors);
    if (said_ && now_mono_us - said_mono_us_ < kMicrosPerSecond) {
      ++untold_;
      return;
    }
    log::warn("TLS handshake failed", {{"peer", peer}, {"why", why}, {"untold_before", untold_}});
    said_ = true;
    said_mono_us_ = now_mono_us;
    untold_ = 0;
  }

 private:
  bool said_ = false;
  int64_t said_mono_us_ = 0;
  uint64_t untold_ = 0;
};

}  // namespace headrace::net
