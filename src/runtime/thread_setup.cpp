#include "runtime/thread_setup.hpp"

#include <cstring>

#include <pthread.h>

namespace mx_rmq::runtime {

void name_this_thread(const std::string& name, const char* suffix) noexcept {
  constexpr std::size_t longest = 15;  // what Linux keeps
  char text[longest + 1] = {};
  const std::size_t room = longest - std::strlen(suffix);
  std::strncpy(text, name.c_str(), room);
  std::strcat(text, suffix);
  ::pthread_setname_np(::pthread_self(), text);
}

sigset_t current_signal_mask() noexcept {
  sigset_t mask;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  return mask;
}

void set_signal_mask(const sigset_t& mask) noexcept {
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}

BlockSignals::BlockSignals() noexcept {
  sigset_t blocked;
  ::sigfillset(&blocked);
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF}) {
    ::sigdelset(&blocked, signal);
  }
  ::pthread_sigmask(SIG_SETMASK, &blocked, &previous_);
}

BlockSignals::~BlockSignals() { set_signal_mask(previous_); }

}  // namespace mx_rmq::runtime
