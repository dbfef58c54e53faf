#include "net/uring_advice.h"

#include <sys/utsname.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace headrace::net {
namespace {

std::string why_forbidden() {
  std::string text = "io_uring is forbidden here: ";
  if (FILE* file = std::fopen("/proc/sys/kernel/io_uring_disabled", "re")) {
    int disabled = 0;
    const bool read = std::fscanf(file, "%d", &disabled) == 1;
    std::fclose(file);
    if (read && disabled > 0) {
      return text + "sysctl kernel.io_uring_disabled is " + std::to_string(disabled) +
             "; set it to 0 (sysctl -w kernel.io_uring_disabled=0)";
    }
  }
  return text +
         "the likely cause is a seccomp profile (containers' default one blocks io_uring); run "
         "with one that allows io_uring_setup, io_uring_enter and io_uring_register, such as "
         "deploy/seccomp.json (docker run --security-opt seccomp=deploy/seccomp.json)";
}

}  // namespace

std::string explain_uring_failure(int error, const std::string& step) {
  const std::string what = step + " failed: " + std::strerror(error);
  switch (error) {
    case EPERM:
    case EACCES:
      return what + ". " + why_forbidden();
    case ENOSYS:
      return what +
             ". The kernel is built without io_uring, or a seccomp profile hides it: use a " +
             "kernel with CONFIG_IO_URING or a profile such as deploy/seccomp.json";
    case ENOMEM:
      return what + ". The limit of locked memory is likely too low (RLIMIT_MEMLOCK): raise it, " +
             "e.g. LimitMEMLOCK=infinity in the systemd unit or ulimit -l unlimited";
    case EMFILE:
    case ENFILE:
      return what + ". Raise the limit of open files (LimitNOFILE in the systemd unit, ulimit -n)";
    case EINVAL:
    case EOPNOTSUPP:
      return what + ". The kernel lacks what Headrace uses of io_uring: Linux 6.1 or newer is " +
             "needed";
    default:
      return what;
  }
}

bool kernel_is_new_enough(std::string* error) {
  utsname name = {};
  int major = 0;
  int minor = 0;
  ::uname(&name);
  if (std::sscanf(name.release, "%d.%d", &major, &minor) != 2) return true;  // let the probe tell
  if (major > 6 || (major == 6 && minor >= 1)) return true;
  *error = std::string("the kernel is ") + name.release +
           ", Headrace needs Linux 6.1 or newer for io_uring: run it on a newer kernel";
  return false;
}

}  // namespace headrace::net
