// The one source of randomness of a simulated world: every choice comes from its seed, so the seed
// is the whole bug report. Single-threaded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace headrace::test {

class Prng {
 public:
  explicit Prng(uint64_t seed) : engine_(seed) {}

  uint64_t next() { return engine_(); }
  uint64_t below(uint64_t bound) { return bound <= 1 ? 0 : engine_() % bound; }  // [0, bound)
  int64_t between(int64_t least, int64_t most) {                                 // both included
    return least + static_cast<int64_t>(below(static_cast<uint64_t>(most - least) + 1));
  }
  bool chance(double probability) {
    return static_cast<double>(engine_() >> 11) * 0x1.0p-53 < probability;
  }
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace headrace::test
