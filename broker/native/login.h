// A caller who has said hello with a mechanism and is proving who they are: nobody yet.
//
// Lives on: the reactor, inside its session.
#pragma once

#include <string>

#include "broker/core/access.h"
#include "headrace.pb.h"
#include "sasl/scram.h"

namespace headrace::native {

struct Login {
  Login(proto::Hello greeting, const core::CatalogPtr& catalog)
      : hello(std::move(greeting)), exchange([this, catalog](const std::string& user) {
          claim = core::Access::claim(*catalog, hello.tenant(), user);
          return claim.secrets;
        }) {}

  const proto::Hello hello;
  core::Claim claim;  // since the client has named itself
  sasl::ScramServer exchange;
};

}  // namespace headrace::native
