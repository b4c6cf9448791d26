// Preloaded into redis-server: its wall clock is off by the seconds that the file of
// $MX_RMQ_FAULTS_DIAL says (dial.hpp), at any moment. The monotonic clock is left alone.
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "faults/preload/dial_reader.hpp"

extern "C" {

int clock_gettime(clockid_t clock, timespec* now) noexcept {
  const long result = ::syscall(SYS_clock_gettime, clock, now);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    now->tv_sec += mx_rmq::faults::dialled();
  return static_cast<int>(result);
}

int gettimeofday(timeval* now, void* zone) noexcept {
  const long result = ::syscall(SYS_gettimeofday, now, zone);
  if (result == 0) now->tv_sec += mx_rmq::faults::dialled();
  return static_cast<int>(result);
}

time_t time(time_t* out) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

}  // extern "C"
