// One tenant out of a backup, into a data directory that has others: its rows are copied as
// WriteSets. It has no broker while this runs. docs/backup.md.
//
// One thread; blocks.
#pragma once

#include <cstdint>
#include <string>

#include "storage/rocks/backup.h"

namespace headrace::broker {

struct TenantRestore {
  std::string from;  // directory of backups
  uint32_t id = 0;   // of one; 0: the newest
  std::string data;  // of the same cluster
  std::string tenant;
  bool replace = false;  // one that is there
  std::string reason;    // for the trail
};

struct TenantRestored {
  storage::BackupInfo backup;
  uint64_t rows = 0;
  uint64_t bytes = 0;
};

// False with a sentence. The tenant is there as a whole or not at all: its catalog goes with the
// first set and comes with the last. What was cut off between them is done again from the start;
// nothing else is touched.
bool restore_tenant(const TenantRestore& wanted, TenantRestored* restored, std::string* error);

}  // namespace headrace::broker
