#include "support/tls_files.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>

namespace mx_rmq::test {

TlsFiles::TlsFiles() {
  // RedisServer removes what killed tests have left under this name.
  path_ = "/tmp/mxrmq-test-" + std::to_string(::getpid()) + "-tls-XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("TlsFiles: mkdtemp " + path_);
}

TlsFiles::~TlsFiles() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TlsFiles::write(const std::string& name, const std::string& text) const {
  const std::string path = path_ + "/" + name;
  const std::string fresh = path + ".new";
  std::ofstream file(fresh, std::ios::binary);
  file << text;
  file.close();
  if (!file || std::rename(fresh.c_str(), path.c_str()) != 0) {
    throw std::runtime_error("TlsFiles: cannot write " + path);
  }
  return path;
}

}  // namespace mx_rmq::test
