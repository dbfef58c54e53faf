#include "client/cli/run_command.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

extern char** environ;

namespace headrace::cli {

namespace {

constexpr size_t kErrorBytes = 1'024;
constexpr size_t kVariableBytes = 64 * 1024;

struct Descriptor {
  int fd = -1;
  Descriptor() = default;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }
  void close() {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
};
struct Pipe {
  Descriptor read, write;
  bool open() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    read.fd = ends[0];
    write.fd = ends[1];
    return true;
  }
};

CommandResult cannot_run(int error) {
  CommandResult result;
  result.error = std::string("cannot run the command: ") + std::strerror(error);
  return result;
}

std::vector<std::string> environment(
    const std::vector<std::pair<std::string, std::string>>& variables) {
  std::vector<std::string> lines;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view line = *each;
    const auto replaced = [&](const auto& variable) {
      return line.starts_with(variable.first) && line.substr(variable.first.size(), 1) == "=";
    };
    if (std::ranges::none_of(variables, replaced)) lines.emplace_back(line);
  }
  for (const auto& [name, value] : variables) {
    if (value.size() > kVariableBytes || value.find('\0') != std::string::npos) continue;
    lines.push_back(name + "=" + value);
  }
  return lines;
}

// 0 or an errno.
int spawn(const std::string& command,
          const std::vector<std::pair<std::string, std::string>>& variables, bool quiet, int input,
          int error, pid_t* pid) {
  std::vector<std::string> lines = environment(variables);
  std::vector<char*> pointers;
  for (std::string& line : lines) pointers.push_back(line.data());
  pointers.push_back(nullptr);
  std::string words[] = {"sh", "-c", command};
  char* arguments[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  if (quiet) posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, error, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);  // ignored here, and that would be inherited
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  const int failed = posix_spawn(pid, "/bin/sh", &actions, &attributes, arguments, pointers.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return failed;
}

// Appends what is there, keeps the end of it. False: nothing more will come.
bool drain(int fd, std::string* text) {
  char block[4096];
  while (true) {
    const ssize_t size = read(fd, block, sizeof(block));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno == EAGAIN;
    if (size == 0) return false;
    text->append(block, static_cast<size_t>(size));
    if (text->size() > 2 * kErrorBytes) text->erase(0, text->size() - kErrorBytes);
  }
}

// Feeds the input and catches the error text until the command has ended; what it left running may
// keep the pipes open.
void talk(int process, std::string_view input, Descriptor* to, Descriptor* from,
          std::string* text) {
  fcntl(to->fd, F_SETFL, O_NONBLOCK);
  fcntl(from->fd, F_SETFL, O_NONBLOCK);
  while (true) {
    if (input.empty()) to->close();
    pollfd polled[] = {{process, POLLIN, 0}, {from->fd, POLLIN, 0}, {to->fd, POLLOUT, 0}};
    if (poll(polled, 3, -1) < 0) continue;  // a signal: the command has it, too
    if (polled[2].revents != 0) {
      const ssize_t size = write(to->fd, input.data(), input.size());
      if (size > 0) input.remove_prefix(static_cast<size_t>(size));
      if (size < 0 && errno != EAGAIN && errno != EINTR) input = {};  // it does not want it
    }
    if (polled[1].revents != 0 && !drain(from->fd, text)) from->close();
    if (polled[0].revents == 0) continue;
    if (from->fd >= 0) drain(from->fd, text);
    return;
  }
}

CommandResult result_of(int status, std::string text) {
  CommandResult result;
  result.ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (result.ok) return result;
  if (WIFSIGNALED(status)) {
    result.interrupted = WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGTERM;
    result.error = "ended by signal " + std::to_string(WTERMSIG(status));
  } else {
    result.error = "exit code " + std::to_string(WEXITSTATUS(status));
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (!text.empty()) {
    result.error = text.size() > kErrorBytes ? text.substr(text.size() - kErrorBytes) : text;
  }
  return result;
}

}  // namespace

CommandResult run_command(const std::string& command, std::string_view input,
                          const std::vector<std::pair<std::string, std::string>>& variables,
                          bool quiet) {
  Pipe in, err;
  if (!in.open() || !err.open()) return cannot_run(errno);
  pid_t pid = 0;
  if (const int failed = spawn(command, variables, quiet, in.read.fd, err.write.fd, &pid)) {
    return cannot_run(failed);
  }
  in.read.close();
  err.write.close();
  Descriptor process;
  process.fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  std::string text;
  if (process.fd >= 0) talk(process.fd, input, &in.write, &err.read, &text);
  in.write.close();
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (process.fd < 0) return cannot_run(ENOSYS);
  return result_of(status, std::move(text));
}

}  // namespace headrace::cli
