// A Redis that is not there: a transport whose other end is a function of the test's. No socket.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mx_rmq_scripts.hpp"
#include "redis/connection/seams.hpp"
#include "redis/connection/transport.hpp"
#include "runtime/event_loop.hpp"

namespace mx_rmq::redis {

using Arguments = std::vector<std::string>;

// What the server does; read and written on the loop thread. Connections are counted from 1.
struct ServerScript {
  // The bytes to answer with; none: silence. Set-up commands are answered by `setup`.
  std::function<std::string(const Arguments&)> answer;

  std::string role;  // what ROLE is answered in the set-up; empty: a master
  bool refuse_connections = false;
  std::size_t read_piece = SIZE_MAX;       // bytes given to the client at a time
  std::size_t write_piece = SIZE_MAX;      // bytes taken from the client at a time
  std::optional<std::size_t> cut_request;  // the connection ends after that many bytes either way
  std::optional<std::size_t> cut_reply;
  bool swallow = false;  // take everything, answer nothing, set-up included
  // Set-ups differ by what connections are for: what could be part of one is answered as that.
  bool any_setup = false;

  int connections = 0;
  Address address;                  // of the last one
  std::vector<Arguments> commands;  // all but those of the set-up
  int offers = 0;                   // calls of write, after the set-up
  int writes = 0;                   // those that took something
};

inline std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

// What a server answers to the set-up, given the scripts it is asked to load.
inline std::optional<std::string> answer_setup(const Arguments& command,
                                               std::span<const lua::Script* const> scripts) {
  if (command[0] == "AUTH" || command[0] == "SELECT") return "+OK\r\n";
  if (command[0] == "CLIENT" && command[1] == "ID") return ":77\r\n";
  if (command[0] == "CLIENT" && command[1] == "SETNAME") return "+OK\r\n";
  if (command[0] == "ROLE") return "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n";
  if (command[0] == "TIME") return "*2\r\n$10\r\n1700000000\r\n$6\r\n000000\r\n";
  if (command[0] == "SCRIPT" && command[1] == "LOAD") {
    for (const lua::Script* const script : scripts) {
      if (script->source == command[2]) return bulk(std::string(script->sha1));
    }
  }
  return std::nullopt;
}

class ScriptedTransport final : public Transport {
 public:
  ScriptedTransport(runtime::EventLoop& loop, TransportEvents& events,
                    std::shared_ptr<ServerScript> server,
                    std::span<const lua::Script* const> scripts)
      : state_(std::make_shared<State>(State{loop, &events, std::move(server), scripts})) {
    // AUTH and so on are not used here: ROLE, CLIENT ID, TIME and the scripts.
    state_->setup_left = state_->server->any_setup ? 0 : 3 + scripts.size();
  }
  ~ScriptedTransport() override { close(); }

  void connect(const Address& address) override {
    ++state_->server->connections;
    state_->server->address = address;
    later(state_, [](State& state) {
      if (state.server->refuse_connections) return state.lose("connection refused");
      state.events->on_connected();
    });
  }

  std::size_t write(std::span<const SharedBytes> buffers, std::size_t skip) override {
    State& state = *state_;
    std::string bytes;
    for (const SharedBytes& each : buffers) bytes += each.view();
    const std::size_t offered = bytes.size() - skip;
    bytes = bytes.substr(skip, state.server->write_piece);
    if (state.server->cut_request) {
      bytes.resize(std::min(bytes.size(), *state.server->cut_request -
                                              std::min(state.written, *state.server->cut_request)));
    }
    state.written += bytes.size();
    state.input += bytes;
    if (state.setup_left == 0) {
      ++state.server->offers;
      if (!bytes.empty()) ++state.server->writes;
    }
    const bool all = bytes.size() == offered;
    later(state_, [all](State& now) {
      now.serve();
      if (now.server->cut_request && now.written >= *now.server->cut_request) {
        return now.lose("cut while writing");
      }
      if (!all && now.events != nullptr) now.events->on_writable();
    });
    return bytes.size();
  }

  void close() override { state_->events = nullptr; }

 private:
  struct State {
    runtime::EventLoop& loop;
    TransportEvents* events;
    std::shared_ptr<ServerScript> server;
    std::span<const lua::Script* const> scripts;
    std::size_t setup_left = 0;
    std::size_t written = 0;
    std::size_t told = 0;
    std::string input = {};

    void lose(std::string_view why) {
      TransportEvents* const whom = std::exchange(events, nullptr);
      if (whom != nullptr) whom->on_lost(why);
    }

    void serve() {
      while (const auto command = take_command()) {
        if (server->swallow) continue;
        std::string reply;
        const auto setup = server->any_setup ? answer_setup(*command, scripts) : std::nullopt;
        if (setup) {
          reply = *setup;
          if ((*command)[0] == "ROLE" && !server->role.empty()) reply = server->role;
        } else if (setup_left > 0) {
          --setup_left;
          reply = answer_setup(*command, scripts).value_or("-ERR unexpected\r\n");
          if ((*command)[0] == "ROLE" && !server->role.empty()) reply = server->role;
        } else {
          server->commands.push_back(*command);
          reply = server->answer(*command);
        }
        tell(reply);
      }
    }

    void tell(std::string reply) {
      while (!reply.empty() && events != nullptr) {
        std::size_t size = std::min(reply.size(), server->read_piece);
        if (server->cut_reply)
          size = std::min(size, *server->cut_reply - std::min(told, *server->cut_reply));
        if (size > 0) events->on_bytes(std::string_view(reply).substr(0, size));
        told += size;
        reply.erase(0, size);
        if (server->cut_reply && told >= *server->cut_reply) return lose("cut while reading");
      }
    }

    std::optional<Arguments> take_command() {
      std::string_view left = input;
      const auto number = [&left](char mark) -> std::optional<std::size_t> {
        const std::size_t end = left.find("\r\n");
        if (left.empty() || left.front() != mark || end == std::string_view::npos)
          return std::nullopt;
        std::size_t value = 0;
        std::from_chars(left.data() + 1, left.data() + end, value);
        left.remove_prefix(end + 2);
        return value;
      };
      const auto count = number('*');
      if (!count) return std::nullopt;
      Arguments arguments;
      for (std::size_t i = 0; i < *count; ++i) {
        const auto size = number('$');
        if (!size || left.size() < *size + 2) return std::nullopt;
        arguments.emplace_back(left.substr(0, *size));
        left.remove_prefix(*size + 2);
      }
      input.erase(0, input.size() - left.size());
      return arguments;
    }
  };

  // As a socket would: after the call that caused it.
  template <class What>
  static void later(const std::shared_ptr<State>& state, What what) {
    state->loop.defer([state, what] {
      if (state->events != nullptr) what(*state);
    });
  }

  std::shared_ptr<State> state_;
};

class ScriptedResolver final : public Resolver {
 public:
  explicit ScriptedResolver(runtime::EventLoop& loop) : loop_(loop) {}
  void resolve(std::string, int port, Callback done) override {
    loop_.defer([done = std::move(done), port] {
      Result result;
      result.addresses.push_back({false, "192.0.2.1", port});
      done(std::move(result));
    });
  }

 private:
  runtime::EventLoop& loop_;
};

class CountingRng final : public Rng {
 public:
  std::uint64_t next() override { return state_ += 0x9e3779b97f4a7c15ULL; }

 private:
  std::uint64_t state_ = 1;
};

inline Seams scripted_seams(runtime::EventLoop& loop, std::shared_ptr<ServerScript> server,
                            std::span<const lua::Script* const> scripts) {
  Seams seams;
  seams.transport = [&loop, server, scripts](TransportEvents& events) {
    return std::make_unique<ScriptedTransport>(loop, events, server, scripts);
  };
  seams.resolver = std::make_shared<ScriptedResolver>(loop);
  seams.rng = std::make_shared<CountingRng>();
  return seams;
}

}  // namespace mx_rmq::redis
