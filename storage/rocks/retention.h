// Maintenance between two commit groups: months made and dropped, space given back. The broker has
// committed its intent before it asks (a month is sealed before it is dropped), so nothing here
// needs to be undone; a step that fails ends the process like any other write.
//
// Threads: run() on the committer; compactions and the release of dropped files on a worker.
#pragma once

#include <rocksdb/db.h>

#include "storage/rocks/committer.h"
#include "storage/rocks/families.h"
#include "storage/rocks/workers.h"
#include "storage/store.h"

namespace headrace::storage {

class Retention {
 public:
  Retention(rocksdb::DB* db, const EngineOptions& options, Families* families, Workers* workers,
            const Fatal* fatal)
      : db_(db), options_(options), families_(families), workers_(workers), fatal_(fatal) {}

  // Completes `work` now or, when a worker has done its part.
  void run(Maintenance* work, Committer* committer);

 private:
  void create(Maintenance* work);
  void drop(Maintenance* work, Committer* committer);
  void compact(Maintenance* work, FamilyRef family, const Key& from, const Key& to);

  rocksdb::DB* const db_;
  const EngineOptions& options_;
  Families* const families_;
  Workers* const workers_;
  const Fatal* const fatal_;
};

}  // namespace headrace::storage
