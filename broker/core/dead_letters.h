// The dead letters of one group: whole events with the history of their attempts (family dlq). A
// letter is written in the set that settles its event. Its second key says which letter an event
// became; it lives as long as the letter: the settled position is what keeps a move from happening
// twice.
//
// Lives on: owner shard, inside its group. Counts are in the group's row, written with every
// change.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>

#include "broker/core/api_acked.h"
#include "broker/core/ctx.h"
#include "broker/core/letter_quota.h"
#include "broker/core/letter_row.h"

namespace headrace::records {
class GroupHealth;
}

namespace headrace::core {

class DeadLetters {
 public:
  // `who` writes; `changed` runs when there may be space that was not there before.
  DeadLetters(GroupPtr group, TopicPtr topic, Ctx* ctx, Committable* who,
              std::function<void()> changed);
  ~DeadLetters();

  enum class Put : uint8_t {
    done,
    full,     // the quota is used up, and the group blocks then
    waiting,  // the oldest ones are being read, which go for it: `changed` comes
  };
  // Into this turn's set, with what has to go for it. `above_quota`: whatever the quota says.
  Put put(DeadLetter letter, bool above_quota);
  // Whether put() is worth being asked for the letter that was refused last.
  bool has_room() const;
  void adopt(const GroupPtr& record);

  void list(std::unique_ptr<ListDeadLetters> request) const;
  void remove(std::unique_ptr<DeleteDeadLetters> request);
  void on_committed();
  void close(const Error& error);  // answers whoever waits

  const LetterQuota& quota() const { return quota_; }
  int64_t dropped() const { return dropped_; }  // by drop_oldest, ever
  // Logs when a level is crossed; once a turn. `blocked`: events wait for space.
  void watch(bool blocked, bool silent);

  void encode(records::GroupHealth* row) const;
  void decode(const records::GroupHealth& row);

 private:
  // What removing a letter takes.
  struct Ref {
    uint64_t sequence = 0;
    int64_t bytes = 0;
    LaneId lane;
    PartitionId partition;
    Offset offset;
  };
  // A purge that was counted and waits for its confirmation.
  struct Confirmation {
    std::string token;
    std::vector<std::string> conditions;
    bool all = false;
    uint64_t up_to = 0;  // sequence: later letters were not counted
    int64_t until_mono_us = 0;
  };
  struct Page;
  struct Heads;
  struct Named;
  struct Walk;

  storage::Key key_of(uint64_t sequence) const;
  bool make_room(int64_t bytes);
  void read_oldest();
  void on_oldest(Heads& heads);
  void erase(const Ref& ref);
  void forget_gone();
  void remove_named(std::unique_ptr<DeleteDeadLetters> request);
  void on_named(Named& named);
  Error confirm(const DeleteDeadLetters& request, uint64_t* up_to);
  void offer(DeleteDeadLetters* request, uint64_t up_to);
  void next_page(std::unique_ptr<Walk> walk);
  void on_page(std::unique_ptr<Walk> walk);

  GroupPtr group_;
  const TopicPtr topic_;
  Ctx* const ctx_;
  Committable* const who_;
  const std::function<void()> changed_;
  LetterQuota quota_;
  uint64_t next_ = 1;
  uint64_t first_ = 1;  // no letter is below: reads need not walk over what was removed
  int64_t dropped_ = 0;
  int64_t refused_bytes_ = 0;  // of the letter that did not fit
  std::deque<Ref> oldest_;     // read ahead for drop_oldest, from the first on
  bool reading_oldest_ = false;
  uint64_t oldest_read_at_ = UINT64_MAX;  // committed sequence of a read that found no more
  std::map<uint64_t, uint64_t> gone_;  // removed letters that a read may still see → in which set
  std::list<std::unique_ptr<Walk>> waiting_;  // for the commit of their last page
  size_t walks_ = 0;
  std::deque<Confirmation> confirmations_;
  uint64_t tokens_ = 0;
  std::shared_ptr<DeadLetters*> alive_;
};

}  // namespace headrace::core
