// A directory for keys and certificates, gone with this object.
#pragma once

#include <string>

namespace mx_rmq::test {

class TlsFiles {
 public:
  TlsFiles();
  ~TlsFiles();
  TlsFiles(const TlsFiles&) = delete;
  TlsFiles& operator=(const TlsFiles&) = delete;

  const std::string& path() const noexcept { return path_; }
  // As a rotation does: the new file is there at once, and whole. Returns its path.
  std::string write(const std::string& name, const std::string& text) const;

 private:
  std::string path_;
};

}  // namespace mx_rmq::test
