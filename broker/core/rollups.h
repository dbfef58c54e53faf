// The type rollups of a shard's topics, and their rows: one for each slot of five minutes, written
// again every few seconds while there is something new, kept for two days. What a broker counted
// in a slot before it was started again has a row of its own, by epoch.
//
// Lives on: the shard's reactor, inside its objects.
#pragma once

#include <memory>
#include <unordered_map>

#include "broker/core/api_history.h"
#include "broker/core/ctx.h"
#include "broker/core/type_rollup.h"

namespace headrace::core {

class Rollups final : public Timer {
 public:
  // Rows are written so often; below 0: none are.
  Rollups(Ctx* ctx, int64_t interval_us) : ctx_(ctx), interval_us_(interval_us) {}
  ~Rollups() override;

  const TypeRollupPtr& of(const TopicPtr& topic);
  void list(std::unique_ptr<ListTypes> request);
  void purge(const TopicPtr& topic);  // with its rows
  void stop();
  void write_now();  // whatever was not written yet

  void on_timer(Time now) override;

 private:
  struct Entry {
    TopicPtr topic;
    TypeRollupPtr rollup;
    uint32_t slot = 0;  // that it counts in
    bool dirty = false;
  };
  struct Page;

  void changed(Entry* entry);
  void write(Entry* entry);

  Ctx* const ctx_;
  const int64_t interval_us_;
  std::unordered_map<TopicId, std::unique_ptr<Entry>> entries_;
  bool armed_ = false;
};

}  // namespace headrace::core
