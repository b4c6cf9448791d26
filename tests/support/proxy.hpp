// Stands between a client and a redis-server on a unix socket, reads the client's commands, and
// makes one of them, or its reply, disappear together with its connection.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace mx_rmq::test {

// What becomes of a command.
enum class CommandFate {
  pass,
  lose_command,  // the server never sees it; the connection ends
  lose_reply,    // the server executes it; the connection ends without its reply
};

// A thread with poll(); unix sockets on both sides. Members may be called from any thread.
class Proxy {
 public:
  // Called on the proxy's thread with the arguments of each command of any connection, in the
  // order of arrival.
  using Judge = std::function<CommandFate(const std::vector<std::string>&)>;

  // Listens on `own_socket`; throws std::runtime_error if that cannot be done. A connection to a
  // server that is not there is closed.
  Proxy(std::string server_socket, std::string own_socket);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  std::string url() const;
  // Everything passes without a judge. When it returns, the previous one is not being called any
  // more.
  void judge(Judge judge);
  // New connections lead to this server; those there are stay with theirs. As a name that a failover
  // has moved.
  void lead_to(std::string server_socket);
  // Closes all connections there are; new ones are accepted.
  void cut_all();
  // How many connections are open.
  std::size_t connections() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mx_rmq::test
