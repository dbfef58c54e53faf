#include "broker/native/handlers.h"

namespace headrace::native {

const Handler* find_handler(uint16_t type) {
  using net::native::MessageType;
  switch (static_cast<MessageType>(type)) {
#define HR_HANDLER(message, permission)                                         \
  case MessageType::message: {                                                  \
    static constexpr Handler handler{handle_##message, Permission::permission}; \
    return &handler;                                                            \
  }
#include "broker/native/handlers.def"
#undef HR_HANDLER
    default:
      return nullptr;
  }
}

}  // namespace headrace::native
