// The table from message to handler, made of handlers.def. One handler per message, one file each:
// decode → check → ask the core → encode the reply.
#pragma once

#include <cstdint>

#include "broker/core/permission.h"
#include "net/native/frame.h"

namespace headrace::native {

class Session;

using core::Permission;

struct Handler {
  void (*run)(Session& session, net::native::Frame&& frame);
  Permission permission;
};

// nullptr if this broker does not serve the message (deliveries only go the other way).
const Handler* find_handler(uint16_t type);

#define HR_HANDLER(message, permission) \
  void handle_##message(Session& session, net::native::Frame&& frame);
#include "broker/native/handlers.def"
#undef HR_HANDLER

}  // namespace headrace::native
