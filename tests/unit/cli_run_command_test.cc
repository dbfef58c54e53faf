#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "client/cli/run_command.h"

namespace headrace::cli {
namespace {

class RunCommand : public testing::Test {
 protected:
  void SetUp() override { std::signal(SIGPIPE, SIG_IGN); }
};

TEST_F(RunCommand, SuccessIsExitCodeZero) {
  const auto result = run_command("test \"$(cat)\" = payload", "payload", {}, true);
  EXPECT_TRUE(result.ok) << result.error;
}

TEST_F(RunCommand, VariablesReachTheCommandAndReplaceOlderOnes) {
  setenv("HEADRACE_TYPE", "old", 1);
  EXPECT_TRUE(run_command("test \"$HEADRACE_TYPE\" = 'a b'\"'\"';$x'", "",
                          {{"HEADRACE_TYPE", "a b';$x"}}, true)
                  .ok);
  EXPECT_TRUE(run_command("test -z \"$HUGE$NUL\"", "",
                          {{"HUGE", std::string(1 << 20, 'x')}, {"NUL", std::string("a\0b", 3)}},
                          true)
                  .ok);
  unsetenv("HEADRACE_TYPE");
}

TEST_F(RunCommand, StandardErrorIsTheError) {
  const auto result = run_command("echo first >&2; echo boom >&2; exit 3", "", {}, true);
  EXPECT_FALSE(result.ok);
  EXPECT_FALSE(result.interrupted);
  EXPECT_EQ(result.error, "first\nboom");
  EXPECT_EQ(run_command("exit 3", "", {}, true).error, "exit code 3");
  EXPECT_EQ(run_command("kill -9 $$", "", {}, true).error, "ended by signal 9");
  EXPECT_TRUE(run_command("kill -TERM $$", "", {}, true).interrupted);
  EXPECT_NE(run_command("no-such-command-anywhere", "", {}, true).error.find("not found"),
            std::string::npos);
}

TEST_F(RunCommand, LongErrorsKeepTheirEnd) {
  const auto result = run_command(
      "head -c 1000000 /dev/zero | tr '\\0' x >&2; echo last >&2; exit 1", "", {}, true);
  EXPECT_EQ(result.error.size(), 1'024u);
  EXPECT_TRUE(result.error.ends_with("last"));
}

TEST_F(RunCommand, ACommandNeedNotReadItsInput) {
  const std::string large(4u << 20, 'x');
  EXPECT_TRUE(run_command("exit 0", large, {}, true).ok);
  EXPECT_TRUE(run_command("test $(wc -c) = 4194304", large, {}, true).ok);
}

TEST_F(RunCommand, WhatItLeavesRunningIsNotWaitedFor) {
  // It keeps standard error open until somebody opens the other end of the fifo.
  const std::string path = testing::TempDir() + "run_command." + std::to_string(getpid());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_TRUE(run_command("cat < '" + path + "' & exit 0", "", {}, true).ok);
  const int fd = open(path.c_str(), O_WRONLY);
  EXPECT_GE(fd, 0);
  close(fd);
  unlink(path.c_str());
}

}  // namespace
}  // namespace headrace::cli
