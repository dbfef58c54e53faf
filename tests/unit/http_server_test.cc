#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "net/http/client.h"
#include "net/http/server.h"

namespace headrace::http {
namespace {

constexpr int kPatienceMs = 10'000;

// Echoes at once, or keeps the Respond of every request for /park until the test takes it.
class TestHandler : public Handler {
 public:
  void handle(Request&& request, Respond respond) override {
    if (request.path == "/throw") throw std::runtime_error("on purpose");
    if (request.path == "/drop") return;
    if (request.path == "/park") {
      const std::lock_guard lock(mutex_);
      parked_.push_back(std::move(respond));
      changed_.notify_all();
      return;
    }
    Response response;
    response.status = request.path == "/none" ? 204 : 200;
    response.content_type = "text/plain";
    response.headers.emplace_back("X-Name", request.query_value("name").value_or("-"));
    response.body = request.method + " " + request.path + " " + request.body;
    respond(std::move(response));
  }

  Respond take_parked() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !parked_.empty(); });
    Respond respond = std::move(parked_.front());
    parked_.pop_front();
    return respond;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Respond> parked_;
};

// A bare socket: what a hostile or odd client sends, byte by byte.
class RawClient {
 public:
  explicit RawClient(const Server& server) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server.port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  }
  ~RawClient() { close(fd_); }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // the server has closed: what it said is still to be read
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }
  // Reads until `wanted` has come in (true) or the server has closed (false).
  bool receive_until(std::string_view wanted) {
    while (received.find(wanted) == std::string::npos) {
      if (!receive_some()) return false;
    }
    return true;
  }
  void receive_all() {
    while (receive_some()) continue;
  }

  std::string received;

 private:
  bool receive_some() {
    pollfd ready{fd_, POLLIN, 0};
    if (poll(&ready, 1, kPatienceMs) != 1) {
      ADD_FAILURE() << "nothing came within the test's patience; so far: " << received;
      return false;
    }
    char bytes[4096];
    const ssize_t size = recv(fd_, bytes, sizeof bytes, 0);
    if (size <= 0) return false;
    received.append(bytes, static_cast<size_t>(size));
    return true;
  }

  int fd_;
};

class HttpServer : public testing::Test {
 protected:
  void start(const ServerOptions& options = {}) {
    std::string error;
    server = Server::start(options, &handler, &error);
    ASSERT_NE(server, nullptr) << error;
    url = *parse_url(server->url(), &error);
  }
  Response get(const std::string& target) { return send({.target = target}); }
  Response send(const Call& what) {
    std::string error;
    const auto response = call(url, what, &error);
    EXPECT_TRUE(response.has_value()) << error;
    return response.value_or(Response{.status = 0});
  }

  TestHandler handler;
  std::unique_ptr<Server> server;
  Url url;
};

std::optional<std::string> header_of(const Response& response, const std::string& name) {
  Request as_request;
  as_request.headers = response.headers;
  const auto value = as_request.header(name);
  return value ? std::optional<std::string>(*value) : std::nullopt;
}

TEST_F(HttpServer, AnswersWithWhatTheHandlerSaid) {
  start();
  const Response response =
      send({.method = "POST", .target = "/a%20b?x=1&name=J%C3%BCrgen+A", .body = "hello"});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "text/plain");
  EXPECT_EQ(response.body, "POST /a b hello");
  EXPECT_EQ(header_of(response, "x-name"), "J\xc3\xbcrgen A");
  EXPECT_EQ(get("/none").status, 204);
}

TEST_F(HttpServer, HeadHasTheLengthAndNoBody) {
  start();
  RawClient client(*server);
  client.send("HEAD /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  client.receive_all();
  EXPECT_NE(client.received.find("Content-Length: 7\r\n"), std::string::npos) << client.received;
  EXPECT_EQ(client.received.substr(client.received.size() - 4), "\r\n\r\n");
}

TEST_F(HttpServer, KeepsTheConnectionAndAnswersAPipelineInOrder) {
  start();
  RawClient client(*server);
  client.send("GET /one HTTP/1.1\r\nHost: a\r\n\r\nGET /two HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(client.receive_until("GET /two "));
  EXPECT_LT(client.received.find("GET /one "), client.received.find("GET /two "));
  client.send("GET /three HTTP/1.0\r\n\r\n");
  client.receive_all();
  EXPECT_NE(client.received.find("GET /three "), std::string::npos);
}

TEST_F(HttpServer, TakesARequestThatComesByteByByte) {
  start();
  RawClient client(*server);
  const std::string bytes =
      "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
  for (const char& byte : bytes) client.send({&byte, 1});
  client.receive_all();
  EXPECT_NE(client.received.find("POST /slow abc"), std::string::npos) << client.received;
}

TEST_F(HttpServer, SaysContinueToAClientThatAsks) {
  start();
  RawClient client(*server);
  client.send(
      "POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
      "Connection: close\r\n\r\n");
  ASSERT_TRUE(client.receive_until("100 Continue\r\n\r\n"));
  client.send("ok");
  client.receive_all();
  EXPECT_NE(client.received.find("POST /c ok"), std::string::npos) << client.received;
}

TEST_F(HttpServer, BadRequestsGetAnErrorThatNamesTheCause) {
  start({.max_header_bytes = 1024, .max_body_bytes = 100});
  const struct {
    std::string bytes;
    std::string status;
  } cases[] = {
      {"\x16\x03\x01\x02garbage\r\n\r\n", "400 Bad Request"},
      {"GET / HTTP/9.9\r\n\r\n", "400 Bad Request"},
      {"GET relative HTTP/1.1\r\nHost: a\r\n\r\n", "400 Bad Request"},
      {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "400 Bad Request"},
      {"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", "400 Bad Request"},
      {"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "400 Bad Request"},
      {"POST / HTTP/1.1\r\nContent-Length: 101\r\n\r\n", "413 Payload Too Large"},
      {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n80\r\n" + std::string(128, 'x'),
       "413 Payload Too Large"},
      {"GET / HTTP/1.1\r\nX: " + std::string(2000, 'x') + "\r\n\r\n",
       "431 Request Header Fields Too Large"},
  };
  for (const auto& one : cases) {
    RawClient client(*server);
    client.send(one.bytes);
    client.receive_all();
    EXPECT_NE(client.received.find(" " + one.status + "\r\n"), std::string::npos)
        << one.bytes << "\n"
        << client.received;
    const size_t body = client.received.find("\r\n\r\n");
    ASSERT_NE(body, std::string::npos);
    const auto json = nlohmann::json::parse(client.received.substr(body + 4));
    EXPECT_FALSE(json["detail"].get<std::string>().empty());
  }
  EXPECT_EQ(get("/fine").status, 200);
}

TEST_F(HttpServer, ClosesWhoeverIsTooSlow) {
  start({.header_timeout_us = 50'000, .body_timeout_us = 50'000, .idle_timeout_us = 50'000});
  RawClient silent(*server);
  RawClient half_header(*server);
  half_header.send("GET / HTTP/1.1\r\nHo");
  RawClient half_body(*server);
  half_body.send("POST / HTTP/1.1\r\nContent-Length: 50\r\n\r\nabc");
  RawClient idle(*server);
  idle.send("GET /idle HTTP/1.1\r\nHost: a\r\n\r\n");
  for (RawClient* client : {&silent, &half_header, &half_body, &idle}) client->receive_all();
  EXPECT_EQ(silent.received, "");
  EXPECT_EQ(half_header.received, "");
  EXPECT_EQ(half_body.received, "");
  EXPECT_NE(idle.received.find("GET /idle "), std::string::npos);
}

TEST_F(HttpServer, AnswersComeLaterFromAnyThread) {
  start();
  RawClient client(*server);
  client.send("GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
  const Respond respond = handler.take_parked();
  respond({.status = 201, .body = "first"});
  respond({.status = 202, .body = "second"});
  ASSERT_TRUE(client.receive_until("first"));
  EXPECT_NE(client.received.find("201 Created"), std::string::npos);
  client.send("GET /after HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  client.receive_all();
  EXPECT_EQ(client.received.find("second"), std::string::npos);
  EXPECT_NE(client.received.find("GET /after "), std::string::npos);
}

TEST_F(HttpServer, ForgottenRequestsAndExceptionsAre500) {
  start();
  EXPECT_EQ(get("/drop").status, 500);
  EXPECT_EQ(get("/throw").status, 500);
  EXPECT_EQ(get("/fine").status, 200);
}

TEST_F(HttpServer, AHandlerThatIsTooSlowIs504AndItsLateAnswerIsDropped) {
  start({.respond_timeout_us = 50'000});
  RawClient client(*server);
  client.send("GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(client.receive_until("timed_out"));
  EXPECT_NE(client.received.find("504 Gateway Timeout"), std::string::npos);
  handler.take_parked()({.body = "too late"});
  client.send("GET /after HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  client.receive_all();
  EXPECT_EQ(client.received.find("too late"), std::string::npos);
  EXPECT_NE(client.received.find("GET /after "), std::string::npos);
}

TEST_F(HttpServer, TooManyRequestsInFlightAre503) {
  start({.max_in_flight = 1});
  RawClient first(*server);
  first.send("GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
  const Respond respond = handler.take_parked();
  const Response refused = get("/x");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(header_of(refused, "Retry-After"), "1");
  respond({.body = "done"});
  ASSERT_TRUE(first.receive_until("done"));
  EXPECT_EQ(get("/x").status, 200);
}

TEST_F(HttpServer, TooManyConnectionsAre503) {
  start({.max_connections = 1});
  auto first = std::make_unique<RawClient>(*server);
  first->send("GET /one HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(first->receive_until("GET /one "));
  const Response refused = get("/x");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(header_of(refused, "Retry-After"), "1");
  first->send("GET /two HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  first->receive_all();
  EXPECT_NE(first->received.find("GET /two "), std::string::npos);
  first.reset();
  // The slot is free as soon as the server has seen the end of the first connection.
  while (get("/x").status == 503) continue;
}

TEST_F(HttpServer, AnAnswerCannotForgeAHeader) {
  start();
  const Response response = get("/x?name=a%0d%0aX-Forged:%201");
  EXPECT_EQ(header_of(response, "X-Forged"), std::nullopt);
  EXPECT_EQ(header_of(response, "X-Name"), "a  X-Forged: 1");
}

TEST_F(HttpServer, APortInUseIsNamed) {
  start();
  std::string error;
  EXPECT_EQ(Server::start({.port = server->port()}, &handler, &error), nullptr);
  EXPECT_NE(error.find("127.0.0.1:" + std::to_string(server->port())), std::string::npos) << error;
  EXPECT_NE(error.find("in use"), std::string::npos) << error;
  EXPECT_EQ(Server::start({.host = "no such host"}, &handler, &error), nullptr);
  EXPECT_NE(error.find("numeric"), std::string::npos) << error;
}

TEST_F(HttpServer, StoppingLetsRequestsInFlightFinish) {
  start();
  RawClient busy(*server);
  RawClient idle(*server);
  idle.send("GET /idle HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(idle.receive_until("GET /idle "));
  busy.send("GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
  const Respond respond = handler.take_parked();
  std::thread stopping([this] { server->stop(); });
  idle.receive_all();  // closed: the stop has begun
  respond({.body = "in time"});
  busy.receive_all();
  EXPECT_NE(busy.received.find("Connection: close"), std::string::npos) << busy.received;
  EXPECT_NE(busy.received.find("in time"), std::string::npos);
  stopping.join();
}

TEST_F(HttpServer, StoppingDoesNotWaitForASilentHandler) {
  start({.stop_grace_us = 20'000});
  RawClient client(*server);
  client.send("GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
  const Respond respond = handler.take_parked();
  server->stop();
  client.receive_all();
  EXPECT_EQ(client.received, "");
  server.reset();
  respond({.body = "nobody there"});
}

TEST_F(HttpServer, TheClientNamesWhatFailed) {
  start();
  const Url gone = url;
  server->stop();
  std::string error;
  EXPECT_FALSE(call(gone, {.target = "/"}, &error).has_value());
  EXPECT_NE(error.find("cannot connect to http://127.0.0.1:"), std::string::npos) << error;
  for (const char* bad : {"", "https://a", "http://", "http://a:0", "http://a:x", "http://a:70000",
                          "ftp://a", "http://user@a", "127.0.0.1:7480"}) {
    EXPECT_FALSE(parse_url(bad, &error).has_value()) << bad;
    EXPECT_FALSE(error.empty());
  }
  EXPECT_EQ(parse_url("http://[::1]:81/api/", &error)->host, "::1");
  EXPECT_EQ(parse_url("http://[::1]:81/api/", &error)->base_path, "/api");
  EXPECT_EQ(parse_url("http://host", &error)->port, 80);
}

TEST_F(HttpServer, TheClientGivesUpInTime) {
  start({.stop_grace_us = 20'000});
  std::string error;
  EXPECT_FALSE(call(url, {.target = "/park", .timeout_us = 50'000}, &error).has_value());
  EXPECT_NE(error.find("in time"), std::string::npos) << error;
}

}  // namespace
}  // namespace headrace::http
