#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "json/json_line.h"
#include "net/native/frame.h"

namespace headrace::cli {

int version(const ConnectArguments& connect) {
  std::string out = "headrace " HEADRACE_VERSION "\n";
  if (connect.json) {
    out.clear();
    JsonLine(&out)
        .text("version", HEADRACE_VERSION)
        .number("protocol", net::native::kFrameVersion)
        .text("compiler", __VERSION__)
        .end();
  }
  print(out);
  return kDone;
}

}  // namespace headrace::cli
