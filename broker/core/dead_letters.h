// The dead letters of one group: whole events with the history of their attempts (family dlq). A
// letter is written in the set that settles its event. Its second key, of
// letters of lane 0, says which letter an event became; it lives as long as the letter: the settled
// position is what keeps a move from happening twice.
//
// A letter that a job redrives is kept and marked. It is not counted against the quota then; of
// redriven letters there may be as many as of others, and the oldest of them go for newer ones.
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
#include "broker/core/audit.h"
#include "broker/core/ctx.h"
#include "broker/core/letter_heads.h"
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

  // ---- for jobs (letter_redrive.cc)

  // Into this turn's set: the letter is redriven by the job. False if it is gone, or redriven, by
  // now: the read that brought it may be older.
  bool redrive(const DeadLetter& letter, LaneId job);
  // The redrive is cancelled: the letter is dead again, if it is still there.
  void take_back(const DeadLetter& letter, LaneId job);
  // Whether enough is known of the redriven letters for drop_redriven() after `more` of them; if
  // not they are being read: `changed` comes.
  bool may_redrive(size_t more);
  // The oldest redriven letters above their bound go, up to the first whose job needs it yet.
  void drop_redriven(const std::function<bool(LaneId job)>& needed);
  // A read of letters that redrive() or take_back() get.
  void begin_read();
  void end_read() { --readers_; }
  storage::Key key_of(uint64_t sequence) const;
  storage::Place place() const;
  uint64_t next() const { return next_; }  // sequence of the next letter

  const LetterQuota& quota() const { return quota_; }  // of letters that are not redriven
  int64_t dropped() const { return dropped_; }         // by drop_oldest, ever
  // Logs when a level is crossed; once a turn. `blocked`: events wait for space.
  void watch(bool blocked, bool silent);

  void encode(records::GroupHealth* row) const;
  void decode(const records::GroupHealth& row);

 private:
  // How a letter was changed, while a read may still see it as it was.
  struct Change {
    uint64_t set = 0;
    bool gone = false;
    int64_t bytes = 0;
    LaneId redriven_by;
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
  struct HeadsPage;
  struct Named;
  struct Walk;

  bool make_room(int64_t bytes);
  bool read_heads(LetterHeads* heads);
  void on_heads(HeadsPage& page);
  static LetterRef ref_of(const DeadLetter& letter);
  bool as_of_now(LetterRef* ref) const;
  void count(const LetterRef& ref);
  void uncount(const LetterRef& ref);
  void rewrite(DeadLetter letter, LetterRef ref, LaneId redriven_by);
  void erase(const LetterRef& ref);
  void forget_changes();
  void remove_named(std::unique_ptr<DeleteDeadLetters> request);
  void on_named(Named& named);
  void note_deleted(AuditAction action, const DeleteDeadLetters& request, int64_t deleted);
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
  int64_t refused_bytes_ = 0;   // of the letter that did not fit
  int64_t redriven_ = 0;        // letters
  LetterHeads dead_heads_;      // for drop_oldest
  LetterHeads redriven_heads_;  // for drop_redriven()
  std::map<uint64_t, Change> changes_;
  std::list<std::unique_ptr<Walk>> waiting_;  // for the commit of their last page
  size_t walks_ = 0;
  int readers_ = 0;
  std::deque<Confirmation> confirmations_;
  uint64_t tokens_ = 0;
  std::shared_ptr<DeadLetters*> alive_;
};

}  // namespace headrace::core
