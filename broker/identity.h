// What a data directory is fixed to when it is made: the cluster's id and the number of shards. A
// small file beside the database (IDENTITY, `name value` lines), written once and synced.
#pragma once

#include <cstdint>
#include <string>

namespace headrace::broker {

struct Identity {
  std::string cluster_id;
  uint32_t shards = 0;
};

std::string identity_text(const Identity& identity);

// Reads it, or makes it with `shards` and a new id. False with a sentence that names the file.
bool load_identity(const std::string& data_dir, uint32_t shards, Identity* identity,
                   std::string* error);

}  // namespace headrace::broker
