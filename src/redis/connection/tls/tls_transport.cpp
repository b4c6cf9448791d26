#include "redis/connection/tls/tls_transport.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "redis/connection/tls/tls_context.hpp"
#include "redis/connection/tls/tls_engine.hpp"
#include "redis/connection/tls/tls_sessions.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/log.hpp"

namespace mx_rmq::redis {

#ifdef MX_RMQ_WITH_TLS

namespace {

namespace log = runtime::log;

constexpr std::size_t most_of_a_record = std::size_t{16} << 10;
// So much is encrypted for one write to the socket. What the socket does not take of it counts as
// sent, so it is not more.
constexpr std::size_t encrypted_at_once = std::size_t{64} << 10;

/// What all TLS connections of a client share. Loop thread only.
struct TlsState {
  TlsState(runtime::EventLoop& the_loop, const TlsOptions& options)
      : loop(the_loop), context(options) {}

  /// Context and a session for a connection to `server`; TlsError.
  std::pair<TlsContextPtr, TlsSessionPtr> begin(const std::string& server) {
    const TlsContextPtr now = context.current();
    // With other files we may be somebody else, or trust somebody else.
    if (std::exchange(generation, context.generation()) != context.generation()) sessions.clear();
    return {now, sessions.take(server)};
  }

  runtime::EventLoop& loop;
  TlsContext context;
  TlsSessions sessions;
  std::uint64_t generation = 0;
  TlsSessions::Owner connections = 0;
  // Where decrypted bytes are told from; a callback ends before the next one begins.
  std::array<char, std::size_t{64} << 10> plain{};
};

class TlsTransport final : public Transport, private TransportEvents {
 public:
  TlsTransport(std::shared_ptr<TlsState> shared, TransportEvents& owner,
               const Seams::TransportFactory& plain)
      : shared_(std::move(shared)),
        owner_(&owner),
        number_(++shared_->connections),
        below_(plain(*this)) {}
  ~TlsTransport() override { close(); }
  TlsTransport(const TlsTransport&) = delete;
  TlsTransport& operator=(const TlsTransport&) = delete;

  void connect(const Address& address) override;
  std::size_t write(std::span<const SharedBytes> buffers, std::size_t skip) override;
  void close() override;

 private:
  void on_connected() noexcept override;
  void on_bytes(std::string_view bytes) noexcept override;
  void on_writable() noexcept override;
  void on_lost(std::string_view why) noexcept override;

  void make_engine(const Address& address);
  void tell_decrypted();
  void flush();
  bool end_if_over();
  void lost(const std::string& why) noexcept;
  void distrusted(const std::string& why) noexcept;
  void later(std::string why);

  const std::shared_ptr<TlsState> shared_;
  TransportEvents* owner_;  // nullptr once closed, or told of the end
  const TlsSessions::Owner number_;
  std::unique_ptr<Transport> below_;
  std::unique_ptr<TlsEngine> engine_;
  std::string server_;     // under which its sessions are kept
  SharedBytes sending_;    // encrypted, and not all taken by the transport below
  std::size_t sent_ = 0;   // of that
  std::string collected_;  // small commands that become one record
  bool refused_ = false;   // the owner was told that not everything was taken
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

// --- making the connection ---

void TlsTransport::connect(const Address& address) {
  try {
    make_engine(address);
  } catch (const TlsError& error) {
    return later(error.what());
  }
  below_->connect(address);
}

void TlsTransport::make_engine(const Address& address) {
  const TlsOptions& options = shared_->context.options();
  std::string name = address.name.empty() ? address.host : address.name;
  if (!options.server_name.empty()) name = options.server_name;
  server_ = name + ' ' + address.text();
  auto [context, session] = shared_->begin(server_);
  engine_ = std::make_unique<TlsEngine>(
      context, options, name, std::move(session), [this, context](TlsSessionPtr fresh) {
        // One that began before the files changed has nothing for those after it.
        if (context != shared_->context.latest()) return;
        shared_->sessions.keep(server_, std::move(fresh), number_);
      });
}

// Whoever is in a call of the owner's tells it nothing.
void TlsTransport::later(std::string why) {
  shared_->loop.defer([weak = std::weak_ptr(alive_), this, why = std::move(why)] {
    if (!weak.expired()) distrusted(why);
  });
}

void TlsTransport::on_connected() noexcept {
  if (owner_ == nullptr) return;
  engine_->begin();
  flush();
  if (!end_if_over()) owner_->on_securing();
}

// --- what comes ---

void TlsTransport::on_bytes(std::string_view bytes) noexcept {
  if (owner_ == nullptr) return;
  const bool handshaking = engine_->state() == TlsEngine::State::handshaking;
  engine_->feed(bytes);
  if (handshaking && engine_->state() == TlsEngine::State::open) {
    log::debug("TLS handshake done", "version", engine_->version(), "resumed", engine_->resumed());
    flush();
    owner_->on_connected();
  }
  tell_decrypted();
  if (owner_ == nullptr) return;
  flush();  // a farewell, an alert, the next step of the handshake
  end_if_over();
}

void TlsTransport::tell_decrypted() {
  auto& plain = shared_->plain;
  while (owner_ != nullptr) {
    std::size_t size = 0;
    while (const std::size_t more = engine_->read(plain.data() + size, plain.size() - size)) {
      size += more;
      if (size == plain.size()) break;
    }
    if (size == 0) return;
    owner_->on_bytes({plain.data(), size});
  }
}

bool TlsTransport::end_if_over() {
  if (owner_ == nullptr) return true;
  switch (engine_->state()) {
    case TlsEngine::State::handshaking:
    case TlsEngine::State::open:
      return false;
    case TlsEngine::State::ended:
      lost("closed by the server");
      return true;
    case TlsEngine::State::failed:
      shared_->sessions.forget(server_, number_);
      distrusted(engine_->why());
      return true;
  }
  return false;
}

// --- what goes ---

std::size_t TlsTransport::write(std::span<const SharedBytes> buffers, std::size_t skip) {
  std::size_t taken = 0;
  std::size_t at = 0;
  while (at < buffers.size() && sending_.size == 0 && owner_ != nullptr &&
         engine_->state() == TlsEngine::State::open) {
    std::size_t encrypted = 0;
    while (at < buffers.size() && encrypted < encrypted_at_once) {
      collected_.clear();
      std::string_view record;
      while (at < buffers.size() && collected_.size() < most_of_a_record) {
        const std::string_view rest = buffers[at].view().substr(skip);
        const std::string_view piece = rest.substr(0, most_of_a_record - collected_.size());
        if (collected_.empty() && piece.size() == most_of_a_record) {
          record = piece;  // as it lies
        } else {
          collected_.append(piece);
        }
        skip = piece.size() < rest.size() ? skip + piece.size() : 0;
        if (skip == 0) ++at;
        if (!record.empty()) break;
      }
      if (record.empty()) record = collected_;
      if (!engine_->write(record)) {
        later(engine_->why());
        return taken;
      }
      encrypted += record.size();
    }
    taken += encrypted;
    flush();
  }
  refused_ = at < buffers.size();
  return taken;
}

void TlsTransport::flush() {
  while (owner_ != nullptr && (sending_.size > 0 || engine_->has_output())) {
    if (sending_.size == 0) {
      auto bytes = std::make_shared<const std::string>(engine_->take_output());
      sending_ = {std::shared_ptr<const char>(bytes, bytes->data()), bytes->size()};
      sent_ = 0;
    }
    sent_ += below_->write({&sending_, 1}, sent_);
    if (sent_ < sending_.size) return;  // on_writable comes
    sending_ = {};
  }
}

void TlsTransport::on_writable() noexcept {
  flush();
  if (sending_.size == 0 && owner_ != nullptr && std::exchange(refused_, false)) {
    owner_->on_writable();
  }
}

// --- the end ---

void TlsTransport::on_lost(std::string_view why) noexcept {
  if (owner_ == nullptr) return;
  // Without a goodbye: somebody may have cut it.
  shared_->sessions.forget(server_, number_);
  const TlsOptions& options = shared_->context.options();
  if (engine_->state() == TlsEngine::State::handshaking) {
    return lost(std::string(why) + " (in the TLS handshake)");
  }
  if (engine_->asked_for_certificate() && !engine_->heard()) {
    // Of TLS 1.3 a refusal comes behind the handshake, and is lost where the connection breaks.
    return distrusted(options.cert_file.empty()
                          ? "the server asked for a certificate of ours and ended the connection: "
                            "set tls_cert_file and tls_key_file"
                          : "the server asked for our certificate (tls_cert_file) and ended the "
                            "connection: it may not trust it");
  }
  lost(std::string(why));
}

void TlsTransport::lost(const std::string& why) noexcept {
  TransportEvents* const told = std::exchange(owner_, nullptr);
  if (told != nullptr) told->on_lost(why);
}

void TlsTransport::distrusted(const std::string& why) noexcept {
  TransportEvents* const told = std::exchange(owner_, nullptr);
  if (told != nullptr) told->on_untrusted(why);
}

void TlsTransport::close() {
  if (engine_ != nullptr && owner_ != nullptr) {
    engine_->say_goodbye();
    flush();
  }
  owner_ = nullptr;
  below_->close();
}

}  // namespace

Seams::TransportFactory over_tls(runtime::EventLoop& loop, const TlsOptions& options,
                                 Seams::TransportFactory plain) {
  auto shared = std::make_shared<TlsState>(loop, options);
  return [shared = std::move(shared), plain = std::move(plain)](TransportEvents& owner) {
    return std::make_unique<TlsTransport>(shared, owner, plain);
  };
}

#else

Seams::TransportFactory over_tls(runtime::EventLoop&, const TlsOptions&, Seams::TransportFactory) {
  throw ConfigError("redis_url: it asks for TLS, which is not built in");
}

#endif

}  // namespace mx_rmq::redis
