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
#include <vector>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

namespace xengt {
namespace {

constexpr int kMaxReady = 256;
constexpr double kNsPerSecond = 1e9;
// Longer timeouts than this (194 days) are "for ever".
constexpr double kForever = 16777216.0 * kNsPerSecond;

struct Hook {
  int ep;
  int id;
  ReadyHook call;
  void* context;
};

// Of this thread: a wait and what it calls belong to one. A few, one for each guest that has one.
thread_local std::vector<Hook> hooks;

const Hook* HookOf(int ep, uint64_t id) {
  for (const Hook& hook : hooks) {
    if (hook.ep == ep && static_cast<uint64_t>(hook.id) == id) return &hook;
  }
  return nullptr;
}

// Lets hooks do what they can. @returns number of events that remain, moved to the front
int ServeHooks(int ep, epoll_event* events, int got) {
  int left = 0;
  for (int i = 0; i < got; i++) {
    const Hook* const hook = HookOf(ep, events[i].data.u64);
    if (hook == nullptr || hook->call(hook->context)) events[left++] = events[i];
  }
  return left;
}

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

// One wait of at most `timeout`: spins for `spin` of it, then sleeps.
int WaitOnce(int ep, epoll_event* events, int room, double timeout, double spin) {
  if (!(timeout > 0)) return ::epoll_wait(ep, events, room, 0);
  if (spin > 0) {
    const double until = NowNs() + spin;
    do {
      const int got = ::epoll_wait(ep, events, room, 0);
      if (got != 0) return got;
    } while (NowNs() < until);
  }
  return WaitNs(ep, events, room, timeout);
}

// epollWait(ep, timeoutNs, ready: Int32Array, spinNs) -> number of ids stored in `ready`
//
// A signal ends the wait early with 0 ready: the caller looks at its clock and waits again. What hooks have done alone
// does not: the wait goes on for the rest of its time.
Napi::Value EpollWaitCall(const Napi::CallbackInfo& info) {
  const int ep = IntArg(info, 0);
  double timeout = NumberArg(info, 1);
  const View ready = ViewArg(info, 2);
  const int room = static_cast<int>(std::min<size_t>(ready.bytes / sizeof(int32_t), kMaxReady));
  if (room < 1) return Result(info, -EINVAL);
  const double spin = NumberArg(info, 3);
  epoll_event events[kMaxReady];
  const double end = hooks.empty() ? 0 : NowNs() + timeout;
  int got;
  for (;;) {
    got = WaitOnce(ep, events, room, timeout, std::min(spin, timeout));
    if (got <= 0 || hooks.empty()) break;
    got = ServeHooks(ep, events, got);
    if (got > 0) break;
    timeout = end - NowNs();
    if (!(timeout > 0)) break;
  }
  if (got < 0 && errno == EINTR) got = 0;
  if (got < 0) return ResultOf(info, -1);
  int32_t* const ids = reinterpret_cast<int32_t*>(ready.data);
  for (int i = 0; i < got; i++) ids[i] = static_cast<int32_t>(events[i].data.u64);
  return Result(info, got);
}

}  // namespace

void SetReadyHook(int ep, int id, ReadyHook hook, void* context) {
  hooks.erase(std::remove_if(hooks.begin(), hooks.end(), [=](const Hook& h) { return h.ep == ep && h.id == id; }),
              hooks.end());
  if (hook != nullptr) hooks.push_back({ep, id, hook, context});
}

void RegisterWaiter(Napi::Env env, Napi::Object exports) {
  Export<EpollCreateCall>(env, exports, "epollCreate");
  Export<EpollSetCall>(env, exports, "epollSet");
  Export<EpollRemoveCall>(env, exports, "epollRemove");
  Export<EpollWaitCall>(env, exports, "epollWait");
}

}  // namespace xengt
