// Event descriptors: how a VMM is told of an interrupt, and how one thread of the mediator wakes another.
#include "addon.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace xengt {
namespace {

// eventfd() -> descriptor
Napi::Value EventfdCall(const Napi::CallbackInfo& info) {
  return ResultOf(info, ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
}

// adoptEventfd(fd) -> 0 when a descriptor that came from elsewhere is an eventfd; it is non-blocking afterwards.
// Anything else (a pipe, a file, a terminal) must not be written to when an interrupt is due.
Napi::Value AdoptEventfdCall(const Napi::CallbackInfo& info) {
  const int fd = IntArg(info, 0);
  char link[64];
  char target[64];
  std::snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  const ssize_t length = ::readlink(link, target, sizeof(target) - 1);
  if (length < 0) return ResultOf(info, -1);
  target[length] = '\0';
  if (std::strcmp(target, "anon_inode:[eventfd]") != 0) return Result(info, -EINVAL);
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return ResultOf(info, -1);
  return ResultOf(info, ::fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}

// signal(fd) -> 1 when the event was added, 0 when it was already pending to the brim
//
// Safety: the open file is shared with the VMM, which could make it blocking again and leave it full; asking poll first
// keeps a write from waiting on such a descriptor.
Napi::Value SignalCall(const Napi::CallbackInfo& info) {
  const int fd = IntArg(info, 0);
  if (fd < 0) return Result(info, -EBADF);  // poll passes over negative descriptors
  pollfd ask = {fd, POLLOUT, 0};
  const int ready = ::poll(&ask, 1, 0);
  if (ready < 0) return ResultOf(info, -1);
  if (ready == 0) return Result(info, 0);
  if ((ask.revents & POLLOUT) == 0) return Result(info, -EBADF);
  const uint64_t one = 1;
  const ssize_t wrote = ::write(fd, &one, sizeof(one));
  if (wrote < 0 && errno == EAGAIN) return Result(info, 0);
  return ResultOf(info, wrote < 0 ? -1 : 1);
}

// drain(fd) -> number of events since the last drain (0 when none)
Napi::Value DrainCall(const Napi::CallbackInfo& info) {
  uint64_t count = 0;
  const ssize_t got = ::read(IntArg(info, 0), &count, sizeof(count));
  if (got < 0 && errno == EAGAIN) return Result(info, 0);
  return got < 0 ? ResultOf(info, -1) : Result(info, static_cast<double>(count));
}

}  // namespace

void RegisterEventfd(Napi::Env env, Napi::Object exports) {
  Export<EventfdCall>(env, exports, "eventfd");
  Export<AdoptEventfdCall>(env, exports, "adoptEventfd");
  Export<SignalCall>(env, exports, "signal");
  Export<DrainCall>(env, exports, "drain");
}

}  // namespace xengt
