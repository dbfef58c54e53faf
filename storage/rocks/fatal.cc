#include "storage/rocks/fatal.h"

#include <unistd.h>

#include <string>

#include "metrics/log.h"
#include "storage/rocks/exit_codes.h"

namespace headrace::storage {

void Fatal::operator()(std::string_view what, const rocksdb::Status& status) const {
  int code = kExitStoreFailed;
  if (status.IsIOError()) code = kExitStoreIoError;
  if (status.IsNoSpace()) code = kExitStoreDiskFull;
  const std::string text = status.ToString();
  if (options_.on_fatal) return options_.on_fatal(code, text);
  log::fatal(what, {{"cause", text},
                    {"data_dir", options_.data_dir},
                    {"exit_code", code},
                    {"exit_name", exit_code_name(code)}});
  // Not exit(): destructors would write to a database in an unknown state.
  ::_exit(code);
}

}  // namespace headrace::storage
