#include "broker/identity.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <random>

#include "metrics/base64.h"
#include "storage/synced_file.h"

namespace headrace::broker {
namespace {

std::string random_id() {
  std::random_device device;
  const std::array<uint32_t, 2> bits{device(), device()};
  return "hr-" + encode_base16({reinterpret_cast<const char*>(bits.data()), sizeof(bits)});
}

}  // namespace

std::string identity_text(const Identity& identity) {
  return "cluster_id " + identity.cluster_id + "\nshards " + std::to_string(identity.shards) + "\n";
}

bool load_identity(const std::string& data_dir, uint32_t shards, Identity* identity,
                   std::string* error) {
  const std::string path = data_dir + "/IDENTITY";
  std::ifstream file(path);
  if (file) {
    std::string name, value;
    while (file >> name >> value) {
      if (name == "cluster_id") identity->cluster_id = value;
      if (name == "shards") {
        std::from_chars(value.data(), value.data() + value.size(), identity->shards);
      }
    }
    if (!identity->cluster_id.empty() && identity->shards >= 1 && identity->shards <= 4096) {
      return true;
    }
    *error = path + " does not say cluster_id and shards (1 to 4096); restore it from a backup";
    return false;
  }
  *identity = {random_id(), shards};
  if (storage::write_synced(data_dir, "IDENTITY", 0644, identity_text(*identity))) return true;
  *error = "cannot write " + path + ": " + std::strerror(errno);
  return false;
}

}  // namespace headrace::broker
