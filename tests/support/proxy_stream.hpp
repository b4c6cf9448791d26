// One direction of a connection through the fault proxy: bytes in, frames, byte faults, bytes out.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/fault_proxy.hpp"

namespace mx_rmq::test {

using ProxyClock = std::chrono::steady_clock;

// Size of the first whole RESP value of `bytes` (a command is one, too); 0 if it is not whole yet.
// Bytes that are no RESP count as whole: the proxy does not repair what it carries.
std::size_t first_frame(std::string_view bytes);
// The same of a record of TLS.
std::size_t first_record(std::string_view bytes);
// The elements of an array of strings.
std::vector<std::string> command_of(std::string_view frame);

class ProxyStream {
 public:
  // What the stream is to do after some bytes.
  struct Result {
    bool end = false;  // the connection is to end, as `how` says, once all is out
    End how = End::fin;
    bool spoiled = false;
  };

  explicit ProxyStream(std::optional<ByteFault> fault) : fault_(fault) {}

  // Takes bytes that have passed the judges, in whole frames if there are any; `frames` of them.
  Result pass(std::string_view bytes, std::uint64_t frames, ProxyClock::time_point due);

  // What may go out now, at most `most` bytes; empty if nothing may.
  std::string_view ready(ProxyClock::time_point now, std::size_t most) const;
  void sent(std::size_t bytes);
  bool empty() const { return pieces_.empty(); }
  std::size_t waiting() const { return waiting_; }
  std::optional<ProxyClock::time_point> next_due() const;

  std::string inbox;  // not judged yet
  bool held = false;  // by a judge

 private:
  struct Piece {
    std::string bytes;
    ProxyClock::time_point due;
  };

  void put(std::string_view bytes, ProxyClock::time_point due);
  Result spoil(std::string_view bytes, std::uint64_t first, std::uint64_t count,
               ProxyClock::time_point due);

  std::optional<ByteFault> fault_;
  std::uint64_t bytes_ = 0;  // passed so far
  std::uint64_t frames_ = 0;
  bool silent_ = false;  // stalled for good
  std::deque<Piece> pieces_;
  std::size_t waiting_ = 0;
  std::size_t offset_ = 0;  // of the first piece
};

}  // namespace mx_rmq::test
