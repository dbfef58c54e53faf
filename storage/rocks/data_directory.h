// The data directory: who may use it and which format it has.
//
//   FORMAT   one line of `name version` pairs; decides whether this program may read the rest
//   db/      RocksDB
//   ballast  space given back when the disk is nearly full (pressure.h)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace headrace::storage {

// Raised when a reader of the older version could misunderstand what is stored.
constexpr uint32_t kKeyGrammarVersion = 1;
constexpr uint32_t kWriteSetVersion = 1;

// Creates the directory and its FORMAT, or checks the one that is there. False with a sentence that
// names the directory and the cause.
bool prepare_data_directory(const std::string& dir, std::string* error);

// Says that the directory is one of ours, whole: the last thing that is made in it.
bool write_format(const std::string& dir, std::string* error);

// The same check of a directory that must exist; changes nothing.
bool check_data_directory(const std::string& dir, std::string* error);

// A sentence for a person from what RocksDB said when it could not open `dir`.
std::string open_failure(const std::string& dir, std::string_view rocksdb_message, bool corruption);

// Removes or makes the ballast file; false if there is no space for it.
bool make_ballast(const std::string& dir, uint64_t bytes);
bool release_ballast(const std::string& dir);

struct DiskSpace {
  uint64_t free_bytes = 0;  // available to us
  uint64_t total_bytes = 0;
};
bool disk_space(const std::string& dir, DiskSpace* space);

}  // namespace headrace::storage
