#include "listen_at.hpp"

#include <stdexcept>

namespace mxrmq {

ListenAt parse_listen(const std::string& what, const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const std::string port = colon == std::string::npos ? "" : text.substr(colon + 1);
  std::string address = text.substr(0, colon == std::string::npos ? 0 : colon);
  const bool brackets = address.starts_with('[') && address.ends_with(']');
  if (brackets) address = address.substr(1, address.size() - 2);
  const bool number = !port.empty() && port.size() <= 5 &&
                      port.find_first_not_of("0123456789") == std::string::npos &&
                      std::stoi(port) <= 65'535;
  if (address.empty() || !number || (!brackets && address.find(':') != std::string::npos))
    throw std::invalid_argument(what + ": \"" + text +
                                "\" is no ADDRESS:PORT; write 127.0.0.1:9476 or [::1]:9476");
  return {address, static_cast<std::uint16_t>(std::stoi(port))};
}

std::string url_host(const std::string& address) {
  return address.find(':') == std::string::npos ? address : '[' + address + ']';
}

}  // namespace mxrmq
