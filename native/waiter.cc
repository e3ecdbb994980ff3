// One blocking wait over everything that can wake the mediator. A worker thread that blocks here answers a trap in about
// two microseconds; the event loop's own ways of waking a thread cost three times that and more.
#include "addon.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

namespace xengt {
namespace {

constexpr int kMaxReady = 256;
constexpr double kNsPerSecond = 1e9;
// Longer timeouts than this (194 days) are "for ever".
constexpr double kForever = 16777216.0 * kNsPerSecond;

// epollCreate() -> descriptor
Napi::Value EpollCreateCall(const Napi::CallbackInfo& info) { return ResultOf(info, ::epoll_create1(EPOLL_CLOEXEC)); }

// epollSet(ep, fd, interest, id) -> 0; interest: 1 readable, 2 writable, both, or 0 to stay registered but silent
Napi::Value EpollSetCall(const Napi::CallbackInfo& info) {
  const int interest = IntArg(info, 2);
  epoll_event event = {};
  event.events = ((interest & 1) != 0 ? EPOLLIN : 0u) | ((interest & 2) != 0 ? EPOLLOUT : 0u);
  event.data.u64 = static_cast<uint32_t>(IntArg(info, 3));
  const int ep = IntArg(info, 0);
  const int fd = IntArg(info, 1);
  int answer = ::epoll_ctl(ep, EPOLL_CTL_MOD, fd, &event);
  if (answer < 0 && errno == ENOENT) answer = ::epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
  return ResultOf(info, answer);
}

// epollRemove(ep, fd) -> 0
Napi::Value EpollRemoveCall(const Napi::CallbackInfo& info) {
  epoll_event unused = {};
  return ResultOf(info, ::epoll_ctl(IntArg(info, 0), EPOLL_CTL_DEL, IntArg(info, 1), &unused));
}

double NowNs() {
  timespec t;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) * kNsPerSecond + static_cast<double>(t.tv_nsec);
}

// Waits with nanosecond resolution: epoll_pwait2 (Linux 5.11), else ppoll on the epoll descriptor itself.
int WaitNs(int ep, epoll_event* events, int room, double ns) {
  timespec timeout = {};
  timespec* limit = nullptr;
  if (ns < kForever) {
    timeout.tv_sec = static_cast<time_t>(ns / kNsPerSecond);
    timeout.tv_nsec = static_cast<long>(std::fmod(ns, kNsPerSecond));
    limit = &timeout;
  }
  const long got = ::syscall(SYS_epoll_pwait2, ep, events, room, limit, nullptr, 0);
  if (got >= 0 || errno != ENOSYS) return static_cast<int>(got);
  pollfd ask = {ep, POLLIN, 0};
  const int ready = ::ppoll(&ask, 1, limit, nullptr);
  return ready <= 0 ? ready : ::epoll_wait(ep, events, room, 0);
}

// epollWait(ep, timeoutNs, ready: Int32Array, spinNs) -> number of ids stored in `ready`
//
// A signal ends the wait early with 0 ready: the caller looks at its clock and waits again.
Napi::Value EpollWaitCall(const Napi::CallbackInfo& info) {
  const int ep = IntArg(info, 0);
  const double timeout = NumberArg(info, 1);
  const View ready = ViewArg(info, 2);
  const int room = static_cast<int>(std::min<size_t>(ready.bytes / sizeof(int32_t), kMaxReady));
  if (room < 1) return Result(info, -EINVAL);
  epoll_event events[kMaxReady];
  int got = 0;
  if (!(timeout > 0)) {
    got = ::epoll_wait(ep, events, room, 0);
  } else {
    const double spin = std::min(NumberArg(info, 3), timeout);
    if (spin > 0) {
      const double until = NowNs() + spin;
      do {
        got = ::epoll_wait(ep, events, room, 0);
      } while (got == 0 && NowNs() < until);
    }
    if (got == 0) got = WaitNs(ep, events, room, timeout);
  }
  if (got < 0 && errno == EINTR) got = 0;
  if (got < 0) return ResultOf(info, -1);
  int32_t* const ids = reinterpret_cast<int32_t*>(ready.data);
  for (int i = 0; i < got; i++) ids[i] = static_cast<int32_t>(events[i].data.u64);
  return Result(info, got);
}

}  // namespace

void RegisterWaiter(Napi::Env env, Napi::Object exports) {
  Export<EpollCreateCall>(env, exports, "epollCreate");
  Export<EpollSetCall>(env, exports, "epollSet");
  Export<EpollRemoveCall>(env, exports, "epollRemove");
  Export<EpollWaitCall>(env, exports, "epollWait");
}

}  // namespace xengt
