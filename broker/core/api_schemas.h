// The registry of schemas: the meta shard's requests. As api.h. What exists is read from the
// catalog snapshot; what has to be compiled or compared goes to a worker.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/core/api.h"

namespace headrace::core {

// A version as good as the last one is that one: programs register at every start.
struct RegisterSchema final : RequestOf<Request::Kind::register_schema> {
  using RequestOf::RequestOf;
  std::string type;
  schema::SourcePtr source;
  int32_t version = 0;  // 0: the next one
  std::optional<Validation> mode;
  std::optional<schema::Compatibility> compatibility;
  bool dry_run = false;
  // out
  SchemaTypePtr registered;  // a dry run: as it is; may be null
  int32_t registered_version = 0;
  bool created = false;
  std::vector<schema::Difference> differences;  // from the last version
};

struct UpdateSchemaType final : RequestOf<Request::Kind::update_schema_type> {
  using RequestOf::RequestOf;
  std::string type;
  std::optional<Validation> mode;
  std::optional<schema::Compatibility> compatibility;
  uint64_t if_revision = 0;
  SchemaTypePtr changed;  // out
};

struct DeleteSchema final : RequestOf<Request::Kind::delete_schema> {
  using RequestOf::RequestOf;
  std::string type;
  int32_t version = 0;   // 0: all
  uint32_t deleted = 0;  // out: versions
};

struct DiffSchemas final : RequestOf<Request::Kind::diff_schemas> {
  using RequestOf::RequestOf;
  std::string type;
  int32_t from = 0;                             // 0: the one before `to`; out: which it was
  int32_t to = 0;                               // 0: the newest; out: which it was
  std::vector<schema::Difference> differences;  // out
};

struct CheckEvent final : RequestOf<Request::Kind::check_event> {
  using RequestOf::RequestOf;
  std::string type;
  int32_t version = 0;  // 0: the newest; out: which it was
  SharedBytes value;
  std::vector<schema::Issue> issues;  // out
};

}  // namespace headrace::core
