// Executes reads and scans on a worker. Both see only what survives a power cut: RocksDB shows
// written rows before they are synced, so each takes a snapshot and waits until the last group the
// snapshot can contain is synced (at once if nothing is on its way).
#pragma once

#include <rocksdb/db.h>

#include "storage/rocks/committer.h"
#include "storage/rocks/families.h"
#include "storage/rocks/read_breaker.h"
#include "storage/rocks/syncer.h"
#include "storage/store.h"

namespace headrace::storage {

class Reader {
 public:
  Reader(rocksdb::DB* db, const Families* families, const Committer* committer, Syncer* syncer,
         ReadBreaker* breaker)
      : db_(db), families_(families), committer_(committer), syncer_(syncer), breaker_(breaker) {}

  // Worker threads. Fill in the results and the status; posting is the caller's. False if the store
  // died meanwhile: then nothing may be answered.
  bool execute(Read* read) const;
  bool execute(Scan* scan) const;

 private:
  Status note(const rocksdb::Status& status, const Key& key) const;

  rocksdb::DB* const db_;
  const Families* const families_;
  const Committer* const committer_;
  Syncer* const syncer_;
  ReadBreaker* const breaker_;
};

}  // namespace headrace::storage
