#include "runtime/thread_setup.hpp"

#include <cstring>

#include <pthread.h>
#include <unistd.h>

namespace mx_rmq::runtime {

namespace {

thread_local bool sigpipe_blocked = false;  // by block_sigpipe()

void change_mask(int how, int signal, sigset_t* before) noexcept {
  sigset_t one;
  ::sigemptyset(&one);
  ::sigaddset(&one, signal);
  ::pthread_sigmask(how, &one, before);
}

}  // namespace

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
  if (sigpipe_blocked) ::sigdelset(&mask, SIGPIPE);
  return mask;
}

void set_signal_mask(const sigset_t& mask) noexcept {
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}

void block_sigpipe() noexcept {
  sigset_t before;
  change_mask(SIG_BLOCK, SIGPIPE, &before);
  if (::sigismember(&before, SIGPIPE) == 0) sigpipe_blocked = true;
}

void unblock_sigpipe_after_fork() noexcept {
  if (!sigpipe_blocked) return;
  sigpipe_blocked = false;
  change_mask(SIG_UNBLOCK, SIGPIPE, nullptr);
}

void end_process_by(int signal) noexcept {
  ::signal(signal, SIG_DFL);
  change_mask(SIG_UNBLOCK, signal, nullptr);
  ::raise(signal);
  ::_exit(128 + signal);
}

BlockSignals::BlockSignals() noexcept {
  sigset_t blocked;
  ::sigfillset(&blocked);
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF}) {
    ::sigdelset(&blocked, signal);
  }
  ::pthread_sigmask(SIG_SETMASK, &blocked, &previous_);
}

BlockSignals::~BlockSignals() { ::pthread_sigmask(SIG_SETMASK, &previous_, nullptr); }

}  // namespace mx_rmq::runtime
