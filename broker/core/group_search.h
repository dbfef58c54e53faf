// Searches the history as an acked group sees it: a page of events is found, each one's status is
// looked up, and what has none of the wanted ones is left out; then the next page, a few times.
// What is rare in a log (dead letters, retries, what members hold) is listed first, from memory and
// its own rows, and nothing else is searched.
//
// Lives on: owner shard, inside its group. Reads only.
#pragma once

#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "broker/core/api_explain.h"
#include "broker/core/ctx.h"

namespace headrace::core {

class AckedGroup;

class GroupSearch {
 public:
  GroupSearch(AckedGroup* group, Ctx* ctx);
  ~GroupSearch();

  void begin(std::unique_ptr<SearchGroup> request);
  void on_found(FindEvents& found);
  void on_committed();
  void close(const Error& error);  // answers whoever waits

  // ---- for its reads
  struct Search;
  using SearchPtr = std::unique_ptr<Search>;
  const std::shared_ptr<GroupSearch*>& alive() const { return alive_; }
  static void fail(Ctx* ctx, SearchPtr search, ErrorCode code);

 private:
  using Next = void (GroupSearch::*)(SearchPtr);
  struct Waiting {
    uint64_t sequence = 0;
    SearchPtr search;
    Next next;
  };

  void after_commit(SearchPtr search, Next next);
  void list(SearchPtr search);
  void list_rows(SearchPtr search);
  void on_listed(SearchPtr search, storage::Scan& scan);
  void find(SearchPtr search);
  void look_up(SearchPtr search);
  void look_for_rows(SearchPtr search);
  void on_rows(SearchPtr search, storage::Read& read);
  void look_for_blocked(SearchPtr search);
  void on_blocked(SearchPtr search, storage::Scan& scan);
  void look_for_parked(SearchPtr search);
  void on_parked(SearchPtr search, storage::Scan& scan);
  void take_parked_rows(SearchPtr search);
  void keep(SearchPtr search);
  void answer(SearchPtr search, bool more);

  AckedGroup* const group_;
  Ctx* const ctx_;
  std::deque<Waiting> waiting_;                      // by sequence
  std::unordered_map<uint32_t, SearchPtr> finding_;  // by ticket
  uint32_t tickets_ = 0;
  std::shared_ptr<GroupSearch*> alive_;
};

}  // namespace headrace::core
