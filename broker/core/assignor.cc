#include "broker/core/assignor.h"

#include <algorithm>

namespace headrace::core {

Assignment assign(const std::vector<std::string>& members, uint32_t partitions,
                  const Assignment& current) {
  Assignment next;
  for (const auto& member : members) next[member];
  if (next.empty()) return next;

  const size_t share = partitions / next.size();
  size_t larger = partitions % next.size();  // this many members get one more

  // Keep what they have, up to their share.
  std::vector<bool> taken(partitions, false);
  for (auto& [member, mine] : next) {
    auto had = current.find(member);
    if (had == current.end()) continue;
    for (PartitionId partition : had->second) {
      if (partition.value() >= partitions || taken[partition.value()]) continue;
      if (mine.size() == share && larger == 0) break;
      if (mine.size() > share) break;
      if (mine.size() == share) --larger;
      mine.push_back(partition);
      taken[partition.value()] = true;
    }
  }
  // Hand out the rest to those below their share.
  auto member = next.begin();
  for (uint32_t number = 0; number < partitions; ++number) {
    if (taken[number]) continue;
    while (true) {
      if (member->second.size() < share) break;
      if (member->second.size() == share && larger > 0) {
        --larger;
        break;
      }
      ++member;
    }
    member->second.push_back(PartitionId(number));
  }
  for (auto& [name, mine] : next) std::sort(mine.begin(), mine.end());
  return next;
}

}  // namespace headrace::core
