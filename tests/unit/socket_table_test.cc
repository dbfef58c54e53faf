#include "net/socket_table.h"

#include <gtest/gtest.h>

#include <string>

namespace headrace::net {
namespace {

// The kernel may take any number of bytes of a gather: whatever it takes, the rest follows in
// order.
TEST(Socket, ShortSendsLeaveExactlyTheRest) {
  std::vector<std::string> strings = {"", "a", "bcd", "", "efghijklmnop", "q", "rstuvwxyz"};
  std::string whole;
  std::vector<iovec> parts;
  for (std::string& string : strings) {
    whole += string;
    parts.push_back({string.data(), string.size()});
  }
  for (size_t step = 1; step <= whole.size(); ++step) {
    Socket socket;
    socket.begin_send(parts);
    EXPECT_EQ(socket.unsent, whole.size());
    std::string sent;
    bool done = false;
    while (!done) {
      ASSERT_LT(sent.size(), whole.size());
      std::string left;
      for (size_t i = 0; i < socket.message.msg_iovlen; ++i) {
        const iovec& part = socket.message.msg_iov[i];
        left.append(static_cast<const char*>(part.iov_base), part.iov_len);
      }
      EXPECT_EQ(sent + left, whole) << "step " << step;
      const size_t taken = std::min(step, left.size());
      sent += left.substr(0, taken);
      done = socket.advance_send(taken);
    }
    EXPECT_EQ(sent, whole);
  }
}

TEST(SocketTable, ReusesSlotsUnderNewGenerations) {
  SocketTable table;
  const SocketId first = table.add(10);
  const SocketId second = table.add(11);
  EXPECT_EQ(table.used(), 2u);
  ASSERT_NE(table.find(first), nullptr);
  table.remove(first.slot);
  EXPECT_EQ(table.find(first), nullptr);
  const SocketId third = table.add(12);
  EXPECT_EQ(third.slot, first.slot);
  EXPECT_EQ(table.find(first), nullptr);
  ASSERT_NE(table.find(third), nullptr);
  EXPECT_EQ(table.find(third)->fd, 12);
  EXPECT_EQ(table.find({7, 0}), nullptr);
  table.find(second)->closing = true;
  EXPECT_EQ(table.find(second), nullptr);
  EXPECT_EQ(table.used(), 2u);
}

}  // namespace
}  // namespace headrace::net
