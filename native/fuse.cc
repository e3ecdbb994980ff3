// The kernel's side of a file system in user space: mounting it, and taking the kernel's requests off /dev/fuse as they come.
// The protocol itself is spoken in TypeScript; answers are plain writes to the descriptor, for which Node needs no help.
//
// One thread a mount waits for requests, because a descriptor of /dev/fuse can not be put into Node's event loop. It touches
// nothing but the descriptors of its pump, and hands each request over as bytes.
#include "addon.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace xengt {
namespace {

// Room for the largest request: the kernel asks for 8 KiB at least (FUSE_MIN_READ_BUFFER), a write is limited to a page by
// what TypeScript answers to FUSE_INIT.
constexpr size_t kRequestBytes = 64 * 1024;
// Requests that wait for the event loop; the kernel keeps the others.
constexpr size_t kQueue = 1024;
constexpr int kFullPauseMs = 1;

using Request = std::vector<uint8_t>;

struct Pump {
  int fuse = -1;
  int stop = -1;
  std::thread thread;
  Napi::ThreadSafeFunction hand_over;
};

// Waits until there is a request (true) or the pump is to stop (false).
bool WaitFor(const Pump& pump, int timeout_ms, bool with_fuse) {
  pollfd ask[2] = {{pump.stop, POLLIN, 0}, {pump.fuse, POLLIN, 0}};
  while (::poll(ask, with_fuse ? 2 : 1, timeout_ms) < 0 && errno == EINTR) {
  }
  return ask[0].revents == 0;
}

void CallBack(Napi::Env env, Napi::Function callback, Request* request) {
  // Null when the environment goes away with requests in the queue.
  if (env != nullptr && callback != nullptr) {
    if (request == nullptr) {
      callback.Call({env.Null()});
    } else {
      callback.Call({Napi::Buffer<uint8_t>::Copy(env, request->data(), request->size())});
    }
  }
  delete request;
}

// @returns false when the pump is to end
bool HandOver(const Pump& pump, Request* request) {
  for (;;) {
    const napi_status status = pump.hand_over.NonBlockingCall(request, CallBack);
    if (status == napi_ok) return true;
    if (status != napi_queue_full || !WaitFor(pump, kFullPauseMs, false)) {
      delete request;
      return false;
    }
  }
}

void Run(Pump* pump) {
  std::vector<uint8_t> buffer(kRequestBytes);
  while (WaitFor(*pump, -1, true)) {
    const ssize_t got = ::read(pump->fuse, buffer.data(), buffer.size());
    if (got >= 0) {
      if (!HandOver(*pump, new Request(buffer.begin(), buffer.begin() + got))) break;
      continue;
    }
    // ENOENT: the request was interrupted before it was read.
    if (errno == EINTR || errno == EAGAIN || errno == ENOENT) continue;
    // ENODEV: unmounted. Whatever it is, there are no more requests.
    HandOver(*pump, nullptr);
    break;
  }
  pump->hand_over.Release();
}

void Stop(Pump* pump) {
  if (!pump->thread.joinable()) return;
  const uint64_t one = 1;
  // An eventfd that nobody else writes takes the value.
  (void)!::write(pump->stop, &one, sizeof(one));
  pump->thread.join();
  ::close(pump->stop);
}

// fuseOpen() -> descriptor of /dev/fuse
Napi::Value OpenCall(const Napi::CallbackInfo& info) {
  return ResultOf(info, ::open("/dev/fuse", O_RDWR | O_NONBLOCK | O_CLOEXEC));
}

// fuseMount(fd, path) -> 0. The kernel checks permission bits; root of this mount is a folder of our own user and group.
Napi::Value MountCall(const Napi::CallbackInfo& info) {
  const int fd = IntArg(info, 0);
  const std::string path = info[1].ToString().Utf8Value();
  char options[160];
  std::snprintf(options, sizeof(options), "fd=%d,rootmode=40755,user_id=%u,group_id=%u,default_permissions,allow_other", fd,
                ::getuid(), ::getgid());
  return ResultOf(info, ::mount("xengt", path.c_str(), "fuse.xengt", MS_NOSUID | MS_NODEV | MS_NOEXEC, options));
}

// fuseUnmount(path) -> 0. Gone from the tree of files at once; those who have files open keep them until they close them.
Napi::Value UnmountCall(const Napi::CallbackInfo& info) {
  return ResultOf(info, ::umount2(info[0].ToString().Utf8Value().c_str(), MNT_DETACH));
}

// fusePump(fd, onRequest) -> pump. `onRequest` gets each request, and null when there will be no more. The descriptor must
// stay open until fuseStop.
Napi::Value PumpCall(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[1].IsFunction()) return Result(info, -EINVAL);
  const int stop = ::eventfd(0, EFD_CLOEXEC);
  if (stop < 0) return ResultOf(info, -1);
  Pump* const pump = new Pump;
  pump->fuse = IntArg(info, 0);
  pump->stop = stop;
  pump->hand_over = Napi::ThreadSafeFunction::New(env, info[1].As<Napi::Function>(), "xengt fuse", kQueue, 1);
  // Runs before the queue is taken down, so that the thread never calls into what is gone.
  env.AddCleanupHook([pump] { Stop(pump); });
  pump->thread = std::thread(Run, pump);
  return Napi::External<Pump>::New(env, pump);
}

// fuseStop(pump) -> 0. No request is handed over afterwards, but those that already wait for the event loop are.
Napi::Value StopCall(const Napi::CallbackInfo& info) {
  if (!info[0].IsExternal()) return Result(info, -EINVAL);
  Stop(info[0].As<Napi::External<Pump>>().Data());
  return Result(info, 0);
}

}  // namespace

void RegisterFuse(Napi::Env env, Napi::Object exports) {
  Export<OpenCall>(env, exports, "fuseOpen");
  Export<MountCall>(env, exports, "fuseMount");
  Export<UnmountCall>(env, exports, "fuseUnmount");
  Export<PumpCall>(env, exports, "fusePump");
  Export<StopCall>(env, exports, "fuseStop");
}

}  // namespace xengt
