// Worlds with TLS in them: TlsIo over the Io of another world, and clients that encrypt what they
// send over the clients of that world. So TlsIo stands under the contract of Io itself.
#pragma once

#include <set>

#include "metrics/check.h"
#include "net/tls/session.h"
#include "net/tls_io.h"
#include "tests/conformance/io_suite.h"
#include "tests/support/certificates.h"

namespace headrace::test {

// A client with TLS over one without.
class TlsIoClient final : public IoClient {
 public:
  TlsIoClient(std::unique_ptr<IoClient> below, const net::TlsContext& context,
              std::set<TlsIoClient*>* all)
      : below_(std::move(below)), session_(context, std::string("127.0.0.1")), all_(*all) {
    all_.insert(this);
    shake_hands();
  }
  ~TlsIoClient() override { all_.erase(this); }

  size_t send(std::string_view bytes) override {
    shake_hands();
    if (!session_.established() || !flush()) return 0;
    const size_t size = std::min(bytes.size(), net::kTlsRecord);
    if (!session_.write(std::as_bytes(std::span(bytes.data(), size)))) return 0;
    flush();
    return size;
  }
  std::string receive() override {
    if (!shake_hands()) return {};
    fill();
    std::string bytes;
    std::vector<std::byte> record(net::kTlsRecord);
    size_t size = 0;
    net::TlsStatus status = net::TlsStatus::ok;
    while ((status = session_.read(record, &size)) == net::TlsStatus::ok) {
      bytes.append(reinterpret_cast<const char*>(record.data()), size);
    }
    if (status == net::TlsStatus::ended) told_end_ = true;
    return bytes;
  }
  bool ended() override { return told_end_ || below_->ended(); }
  bool was_reset() override { return below_->was_reset(); }
  void half_close() override {
    session_.finish();
    EXPECT_TRUE(flush());
    below_->half_close();
  }
  void close() override {
    session_.finish();
    flush();
    below_->close();
  }
  void reset() override { below_->reset(); }

  // As far as it goes now; true when it is done.
  bool shake_hands() {
    if (session_.established()) {
      flush();  // what the socket had no room for
      return true;
    }
    fill();
    session_.handshake();
    flush();
    return session_.established();
  }
  bool told_end() const { return told_end_; }  // by close_notify
  const std::string& error() const { return session_.error(); }
  std::string peer_subject() const { return session_.peer_subject(); }

 private:
  void fill() {
    const std::string bytes = below_->receive();
    session_.receive(std::as_bytes(std::span(bytes)));
  }
  bool flush() {  // true: all of it
    auto& output = session_.output();
    const size_t sent = below_->send({reinterpret_cast<const char*>(output.data()), output.size()});
    output.erase(output.begin(), output.begin() + static_cast<ptrdiff_t>(sent));
    return output.empty();
  }

  std::unique_ptr<IoClient> below_;
  net::TlsSession session_;
  std::set<TlsIoClient*>& all_;
  bool told_end_ = false;
};

template <class World>
class TlsWorld final : public IoWorld {
 public:
  void start(const net::UringOptions& options) override {
    below_.start(options);
    const PemPair own = authority_.sign({});
    server_ = std::make_unique<net::TlsServerContext>(
        net::TlsServerFiles{own.certificate, own.key, "", true});
    std::string error;
    ASSERT_TRUE(server_->load(&error)) << error;
    client_ = net::make_tls_client_context({authority_.certificate(), "", ""}, &error);
    ASSERT_NE(client_, nullptr) << error;
    net::TlsIoOptions tls;
    tls.handshake_us = 60 * kMicrosPerSecond;
    io_ = net::make_tls_io(&below_.io(), server_.get(), tls);
  }
  net::Io& io() override { return *io_; }
  std::unique_ptr<IoClient> connect(const net::Endpoint& to) override {
    std::unique_ptr<IoClient> client = below_.connect(to);
    if (client == nullptr) return nullptr;
    return std::make_unique<TlsIoClient>(std::move(client), client_, &clients_);
  }
  void let_time_pass() override { below_.let_time_pass(); }
  void step() override {
    for (TlsIoClient* client : clients_) client->shake_hands();
    IoWorld::step();
  }

 private:
  CertificateAuthority authority_;
  World below_;
  std::unique_ptr<net::TlsServerContext> server_;
  net::TlsContext client_;
  std::unique_ptr<net::Io> io_;
  std::set<TlsIoClient*> clients_;
};

}  // namespace headrace::test
