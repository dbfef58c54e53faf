#include "net/http/server.h"

#include <pthread.h>

#include <boost/asio/post.hpp>
#include <chrono>

#include "metrics/log.h"
#include "net/http/session.h"

namespace headrace::http {
namespace {

// Connections above the limit that still get a written 503; beyond these they are just closed.
constexpr size_t kRefusalSlots = 32;

std::string quoted_endpoint(const std::string& host, uint16_t port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace

bool ServerCore::listen(std::string* error) {
  const std::string at = quoted_endpoint(options.host, options.port);
  beast::error_code failure;
  const std::string numeric = options.host == "localhost" ? "127.0.0.1" : options.host;
  const auto address = asio::ip::make_address(numeric, failure);
  if (failure) {
    *error = "cannot listen on " + at + " for HTTP: the host must be a numeric address";
    return false;
  }
  const tcp::endpoint wanted(address, options.port);
  acceptor_.open(wanted.protocol(), failure);
  if (!failure) acceptor_.set_option(asio::socket_base::reuse_address(true), failure);
  if (!failure) acceptor_.bind(wanted, failure);
  if (!failure) acceptor_.listen(asio::socket_base::max_listen_connections, failure);
  if (!failure) bound_ = acceptor_.local_endpoint(failure);
  if (failure) {
    *error = "cannot listen on " + at + " for HTTP: " + failure.message();
    if (failure == asio::error::address_in_use) {
      *error += "; another process has this port: choose another one, or 0 for any";
    }
    return false;
  }
  return true;
}

void ServerCore::run() {
  accept();
  io.run();
}

void ServerCore::accept() {
  acceptor_.async_accept([this](beast::error_code failure, tcp::socket socket) {
    on_accepted(failure, std::move(socket));
  });
}

void ServerCore::on_accepted(beast::error_code failure, tcp::socket socket) {
  if (stopping) return;
  if (failure) {
    // Out of file descriptors or memory: the connection waits in the backlog; trying again at once
    // would spin.
    log::warn("HTTP accept failed", {{"cause", failure.message()}});
    timer_.expires_after(std::chrono::milliseconds(100));
    timer_.async_wait([this](beast::error_code cancelled) {
      if (!cancelled) accept();
    });
    return;
  }
  if (sessions_.size() < options.max_connections + kRefusalSlots) {
    const bool refused = sessions_.size() >= options.max_connections;
    auto session = std::make_shared<Session>(this, std::move(socket), refused);
    sessions_.insert(session.get());
    session->start();
  }
  accept();
}

void ServerCore::begin_stop() {
  stopping = true;
  beast::error_code ignored;
  acceptor_.close(ignored);
  later_.cancel();
  // With nothing left to do, run() returns. Ending a session erases it from the set: go over a copy
  // of living ones.
  const auto end_all = [this](bool at_once) {
    std::vector<std::shared_ptr<Session>> living;
    for (Session* session : sessions_) living.push_back(session->shared_from_this());
    for (const auto& session : living) session->stop(at_once);
  };
  end_all(false);
  timer_.expires_after(std::chrono::microseconds(options.stop_grace_us));
  timer_.async_wait([end_all](beast::error_code) { end_all(true); });
  if (sessions_.empty()) timer_.cancel();
}

void ServerCore::after(int64_t delay_us, std::function<void()> work) {
  if (stopping) return;
  later_.expires_after(std::chrono::microseconds(delay_us));
  later_.async_wait([work = std::move(work)](beast::error_code cancelled) {
    if (!cancelled) work();
  });
}

void ServerCore::session_ended(Session* session) {
  sessions_.erase(session);
  if (stopping && sessions_.empty()) timer_.cancel();
}

std::unique_ptr<Server> Server::start(const ServerOptions& options, Handler* handler,
                                      std::string* error) {
  auto core = std::make_shared<ServerCore>(options, handler);
  if (!core->listen(error)) return nullptr;
  std::unique_ptr<Server> server(new Server);
  server->host_ = core->bound().address().to_string();
  server->port_ = core->bound().port();
  server->core_ = core;
  server->thread_ = std::thread([core] {
    pthread_setname_np(pthread_self(), "http");
    core->run();
  });
  return server;
}

Server::~Server() {
  stop();
}

std::string Server::url() const {
  return (core_->options.tls == nullptr ? "http://" : "https://") + quoted_endpoint(host_, port_);
}

void Server::post(std::function<void()> work) {
  asio::post(core_->io, std::move(work));
}

void Server::after(int64_t delay_us, std::function<void()> work) {
  core_->after(delay_us, std::move(work));
}

void Server::stop() {
  if (!thread_.joinable()) return;
  asio::post(core_->io, [core = core_.get()] { core->begin_stop(); });
  thread_.join();
}

}  // namespace headrace::http
