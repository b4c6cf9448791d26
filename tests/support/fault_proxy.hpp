// Stands between clients and a redis-server, in the test's own process, and spoils what passes:
// whole connections, the stream, single bytes, single commands and replies.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mx_rmq::test {

enum class Direction : std::uint8_t { to_server, to_client };

// How a connection ends. On a unix socket a reset is seen as an end.
enum class End : std::uint8_t { fin, reset, half_to_server, half_to_client };

// One thing that befalls one direction of a connection, at its `at`th byte (from 0), or before its
// `at`th command or reply.
struct ByteFault {
  enum class What : std::uint8_t {
    end,        // bytes before go through, then the connection ends as `how` says
    stall,      // bytes before go through, and nothing more; the connection stays
    flip,       // bit `bit` of the byte
    drop,       // `length` bytes are left out (of frames: as many frames)
    duplicate,  // `length` bytes go twice (of frames: as many frames)
  };
  Direction direction = Direction::to_client;
  bool frames = false;  // `at` and `length` count commands or replies
  std::uint64_t at = 0;
  What what = What::end;
  End how = End::fin;
  int bit = 0;
  std::uint64_t length = 1;
};

// One command, as the judges see it.
struct SeenCommand {
  std::uint64_t connection = 0;  // from 1
  std::uint64_t number = 0;      // on its connection, from 0
  std::string script;            // name of the script, if it is an EVALSHA of one of the library's
  std::vector<std::string> arguments;

  // What an EVALSHA hands to its script, without the keys.
  std::vector<std::string> argv() const;
};

enum class CommandFate : std::uint8_t {
  pass,
  lose,        // the server never sees it; the connection ends
  lose_reply,  // the server executes it; the connection ends without its reply
  hold,        // it and all that follows on its connection waits until release_held()
};
enum class ReplyFate : std::uint8_t {
  pass,
  lose,       // the connection ends without it
  hold,       // it and all that follows waits until release_held()
  duplicate,  // it comes twice
};

struct ProxyOptions {
  bool tcp = false;         // listen on a free port of 127.0.0.1 instead of a unix socket
  bool keep_calls = false;  // for calls(), which takes memory for each
  // Not 0: the server is at this port of 127.0.0.1 and speaks TLS. Frames are records of TLS then,
  // and the judges see nothing.
  int tls_port = 0;
};

// A thread with poll(). Members may be called from any thread; judges are called on the proxy's and
// may not call the proxy.
class FaultProxy {
 public:
  using CommandJudge = std::function<CommandFate(const SeenCommand&)>;
  // With the reply as it came, in RESP.
  using ReplyJudge = std::function<ReplyFate(const SeenCommand&, std::string_view reply)>;
  // Called for each new connection, counted from 1.
  using Planner = std::function<std::optional<ByteFault>(std::uint64_t connection)>;

  // `server_socket` is a unix socket's path; `own_socket` that of the proxy (not used with tcp).
  // Throws std::runtime_error if it cannot listen. A connection to a server that is not there is
  // closed.
  FaultProxy(std::string server_socket, std::string own_socket, ProxyOptions options = {});
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  std::string url() const;

  // Everything passes without judges. When these return, the previous one is not being called.
  void judge_commands(CommandJudge judge);
  void judge_replies(ReplyJudge judge);
  void plan(Planner planner);
  void release_held();

  // The whole stream, of all connections there are and come.
  void stall(Direction direction, bool on);
  void stall_connection(std::uint64_t connection, bool on);  // both ways
  // As a middlebox that forgets: what comes on a connection after so long without anything is
  // dropped, and all that follows, and neither end is told. 0: nothing is forgotten.
  void forget_idle(std::chrono::milliseconds idle);
  void delay(std::chrono::microseconds least, std::chrono::microseconds most);  // each piece
  void slice(std::size_t bytes);  // at most so many bytes a piece; 0: as they come
  void end_all(End how);
  void refuse(bool on);  // new connections end at once
  // New connections lead to this server; those there are stay with theirs. As a name that a
  // failover has moved.
  void lead_to(std::string server_socket);

  // Back to passing everything: judges, plans, stalls, delays, slices; what is held goes on.
  void heal();

  struct Counts {
    std::uint64_t connections = 0;
    std::uint64_t open = 0;
    std::uint64_t ended = 0;  // by the proxy, as a fault
    std::uint64_t commands = 0;
    std::uint64_t replies = 0;
    std::uint64_t spoiled = 0;  // byte faults carried out
  };
  Counts counts() const;
  // All calls of scripts so far that were not lost before they came, in their order; see
  // keep_calls.
  std::vector<SeenCommand> calls() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mx_rmq::test
