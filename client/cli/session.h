// What every verb shares: the client made from the flags, the exit code of an error, words for
// people on standard error, lines and tables on standard output. Main thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client/cli/cli.h"
#include "client/client.h"

namespace headrace::cli {

// 3 if the broker was not reached, 4 if it refused (access, quota), else 1.
int exit_code(const client::Error& error);

// "headrace: <message>" and a hint, on standard error; returns the exit code.
int report(const client::Error& error);
int usage_error(std::string_view message);

// A client from the flags; nothing is sent yet.
client::Result<std::unique_ptr<client::Client>> make_client(const ConnectArguments& connect);

// Whole writes to standard output. False when nobody reads any more (closed pipe): stop quietly.
bool print(std::string_view text);

// Before something is gone for good: a person at a terminal types its name; `yes` and scripts,
// which have no terminal, are not asked. False: not confirmed, and that has been said.
bool confirmed(const std::string& what, const std::string& name, bool yes);

// Columns for people, as wide as their widest cell.
class Table {
 public:
  explicit Table(std::vector<std::string> titles) { rows_.push_back(std::move(titles)); }
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// Set by SIGINT and SIGTERM once catch_interrupts() was called: long-running verbs end in order.
void catch_interrupts();
bool interrupted();

}  // namespace headrace::cli
