// A scripted server that speaks TLS: a transport for below ours, without a socket.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "redis/connection/tls/tls_transport.hpp"
#include "unit/redis/scripted_server.hpp"
#include "unit/redis/tls_peer.hpp"

namespace mx_rmq::redis {

// What the wire and the server's end of TLS do; read and written on the loop thread.
struct TlsWire {
  TlsPeerContext context;
  std::size_t read_piece = SIZE_MAX;    // encrypted bytes given to the client at a time
  std::size_t write_piece = SIZE_MAX;   // taken from the client at a time
  std::optional<std::size_t> cut_up;    // the connection ends after that many bytes from the client
  std::optional<std::size_t> cut_down;  // or to it
  std::optional<std::string> answer;    // in place of TLS
  bool swallow = false;                 // takes the hello and says nothing

  int connections = 0;
  int resumed = 0;
  int goodbyes = 0;
  std::size_t up = 0, down = 0;  // bytes of the last connection
  std::string alert;             // what the last client that refused the server said
  std::string asked_for;         // the name in the last hello
  std::string plain;             // everything that came and was no TLS
};

class TlsScriptedTransport final : public Transport, private TransportEvents {
 public:
  TlsScriptedTransport(runtime::EventLoop& loop, TransportEvents& events,
                       std::shared_ptr<TlsWire> wire, std::shared_ptr<ServerScript> server,
                       std::span<const lua::Script* const> scripts)
      : loop_(loop),
        state_(std::make_shared<State>(State{&events, std::move(wire), {}, {}, false})),
        inner_(loop, *this, std::move(server), scripts) {
    state_->peer = std::make_unique<TlsPeer>(state_->wire->context);
    state_->inner = &inner_;
  }
  ~TlsScriptedTransport() override { close(); }

  void connect(const Address& address) override {
    TlsWire& wire = *state_->wire;
    ++wire.connections;
    wire.up = wire.down = 0;
    inner_.connect(address);
  }

  std::size_t write(std::span<const SharedBytes> buffers, std::size_t skip) override {
    std::string bytes;
    for (const SharedBytes& each : buffers) bytes += each.view();
    const std::size_t offered = bytes.size() - skip;
    bytes = bytes.substr(skip, state_->wire->write_piece);
    const bool all = bytes.size() == offered;
    TlsWire& wire = *state_->wire;
    if (wire.cut_up)
      bytes.resize(std::min(bytes.size(), *wire.cut_up - std::min(wire.up, *wire.cut_up)));
    wire.up += bytes.size();
    const std::size_t taken = bytes.size();
    later([bytes, all](State& state) {
      state.take(bytes);
      if (state.wire->cut_up && state.wire->up >= *state.wire->cut_up) {
        return state.lose("cut while writing");
      }
      if (!all && state.events != nullptr) state.events->on_writable();
    });
    return taken;
  }

  void close() override {
    state_->events = nullptr;
    state_->inner = nullptr;
    inner_.close();
  }

 private:
  struct State {
    TransportEvents* events;
    std::shared_ptr<TlsWire> wire;
    std::unique_ptr<TlsPeer> peer;
    ScriptedTransport* inner;
    bool begun = false;

    void lose(std::string_view why) {
      TransportEvents* const whom = std::exchange(events, nullptr);
      if (whom != nullptr) whom->on_lost(why);
    }

    void take(std::string bytes) {
      if (wire->swallow) {
        wire->plain += bytes;
        return;
      }
      if (wire->answer) {
        if (!bytes.empty() && bytes.front() != '\x16') wire->plain += bytes;
        if (events != nullptr) events->on_bytes(*wire->answer);
        return;
      }
      if (!bytes.empty() && !std::exchange(begun, true) && bytes.front() != '\x16') {
        wire->plain += bytes;
      }
      const bool before = peer->open();
      peer->feed(bytes);
      if (!before && peer->open()) {
        wire->resumed += peer->resumed() ? 1 : 0;
        wire->asked_for = peer->asked_for();
      }
      if (peer->failed()) wire->alert = peer->why();
      if (peer->goodbye()) ++wire->goodbyes;
      tell();
      const std::string text = peer->received();
      if (text.empty() || inner == nullptr) return;
      auto shared = std::make_shared<const std::string>(text);
      const SharedBytes whole{std::shared_ptr<const char>(shared, shared->data()), shared->size()};
      inner->write({&whole, 1}, 0);
    }

    // What the server's end has to say goes to the client.
    void tell() {
      std::string bytes = peer->take();
      while (!bytes.empty() && events != nullptr) {
        std::size_t size = std::min(bytes.size(), wire->read_piece);
        if (wire->cut_down) {
          size = std::min(size, *wire->cut_down - std::min(wire->down, *wire->cut_down));
        }
        wire->down += size;
        const std::string piece = bytes.substr(0, size);
        bytes.erase(0, size);
        if (size > 0) events->on_bytes(piece);
        if (wire->cut_down && wire->down >= *wire->cut_down) return lose("cut while reading");
      }
      if (peer->failed() && events != nullptr) lose("closed by the server");
    }
  };

  void on_connected() noexcept override {
    if (state_->events != nullptr) state_->events->on_connected();
  }
  void on_bytes(std::string_view bytes) noexcept override {
    if (!state_->peer->open()) return;
    state_->peer->send(bytes);
    state_->tell();
  }
  void on_writable() noexcept override {}
  void on_lost(std::string_view why) noexcept override { state_->lose(why); }

  // As a socket would: after the call that caused it, and also what was written before a close.
  template <class What>
  void later(What what) {
    loop_.defer([state = state_, what] { what(*state); });
  }

  runtime::EventLoop& loop_;
  std::shared_ptr<State> state_;
  ScriptedTransport inner_;
};

inline Seams tls_scripted_seams(runtime::EventLoop& loop, const TlsOptions& options,
                                std::shared_ptr<TlsWire> wire, std::shared_ptr<ServerScript> server,
                                std::span<const lua::Script* const> scripts) {
  Seams seams = scripted_seams(loop, server, scripts);
  seams.plain_transport = [&loop, wire, server, scripts](TransportEvents& events) {
    return std::make_unique<TlsScriptedTransport>(loop, events, wire, server, scripts);
  };
  seams.transport = over_tls(loop, options, seams.plain_transport);
  seams.secure = true;
  return seams;
}

}  // namespace mx_rmq::redis
