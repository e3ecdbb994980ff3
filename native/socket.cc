// UNIX stream sockets with descriptors in the ancillary data. Node's own sockets drop descriptors that they receive, and
// they deliver data through the event loop; here every socket is non-blocking and is read when the mediator says so.
#include "addon.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>

namespace xengt {
namespace {

// The most descriptors that the kernel puts into one message (SCM_MAX_FD in Linux, unix(7)).
constexpr size_t kMaxFds = 253;

bool AddressOf(const std::string& path, sockaddr_un* address) {
  std::memset(address, 0, sizeof(*address));
  address->sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address->sun_path)) {
    errno = ENAMETOOLONG;
    return false;
  }
  std::memcpy(address->sun_path, path.data(), path.size());
  return true;
}

int CloseKeepingErrno(int fd) {
  const int saved = errno;
  ::close(fd);
  errno = saved;
  return -1;
}

int NewSocket() { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

int Listen(const std::string& path, mode_t mode) {
  sockaddr_un address;
  if (!AddressOf(path, &address)) return -1;
  const int fd = NewSocket();
  if (fd < 0) return -1;
  // The mode is set between bind and listen: nobody can connect before it holds.
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0) return CloseKeepingErrno(fd);
  if (::chmod(path.c_str(), mode) < 0 || ::listen(fd, 8) < 0) {
    CloseKeepingErrno(fd);
    const int saved = errno;
    ::unlink(path.c_str());
    errno = saved;
    return -1;
  }
  return fd;
}

// listen(path, mode) -> descriptor of a listening socket
Napi::Value ListenCall(const Napi::CallbackInfo& info) {
  return ResultOf(info, Listen(info[0].ToString().Utf8Value(), static_cast<mode_t>(IntArg(info, 1)) & 0777));
}

// accept(fd) -> descriptor of the next client
Napi::Value AcceptCall(const Napi::CallbackInfo& info) {
  return ResultOf(info, ::accept4(IntArg(info, 0), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

// connect(path) -> descriptor
Napi::Value ConnectCall(const Napi::CallbackInfo& info) {
  sockaddr_un address;
  if (!AddressOf(info[0].ToString().Utf8Value(), &address)) return ResultOf(info, -1);
  const int fd = NewSocket();
  if (fd < 0) return ResultOf(info, -1);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0) {
    return ResultOf(info, CloseKeepingErrno(fd));
  }
  return ResultOf(info, fd);
}

// socketPair(into: Int32Array[2]) -> 0
Napi::Value SocketPairCall(const Napi::CallbackInfo& info) {
  const View into = ViewArg(info, 0);
  if (into.bytes < 2 * sizeof(int)) return Result(info, -EINVAL);
  int pair[2];
  const int answer = ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair);
  if (answer == 0) std::memcpy(into.data, pair, sizeof(pair));
  return ResultOf(info, answer);
}

// Stores the received descriptors as [count, fd, fd, ...]; count is -1 when the kernel had to drop some (this process is
// out of descriptors). Descriptors that do not fit are closed and reported the same way.
void StoreFds(msghdr* message, int* into, size_t room) {
  int count = 0;
  bool dropped = (message->msg_flags & MSG_CTRUNC) != 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(message); c != nullptr; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < fds; i++) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
      if (static_cast<size_t>(count) + 1 < room) {
        into[++count] = fd;
      } else {
        ::close(fd);
        dropped = true;
      }
    }
  }
  if (dropped) {
    for (int i = 1; i <= count; i++) ::close(into[i]);
    count = -1;
  }
  into[0] = count;
}

// recv(fd, into: Uint8Array, at, length, fds: Int32Array) -> bytes; 0 at the end of the stream
//
// Safety: the kernel writes at most `length` bytes at `into + at`, both checked against the view. Every received
// descriptor is close-on-exec and ends in `fds`, which the caller then owns, or is closed here.
Napi::Value RecvCall(const Napi::CallbackInfo& info) {
  const View into = ViewArg(info, 1);
  const double at = NumberArg(info, 2);
  const double length = NumberArg(info, 3);
  const View fds = ViewArg(info, 4);
  if (!(at >= 0 && length >= 1 && at + length <= static_cast<double>(into.bytes)) || fds.bytes < 2 * sizeof(int)) {
    return Result(info, -EINVAL);
  }
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))];
  iovec part = {into.data + static_cast<size_t>(at), static_cast<size_t>(length)};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  int* const list = reinterpret_cast<int*>(fds.data);
  list[0] = 0;
  ssize_t got;
  do {
    got = ::recvmsg(IntArg(info, 0), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got >= 0 && (message.msg_controllen > 0 || (message.msg_flags & MSG_CTRUNC) != 0)) {
    StoreFds(&message, list, fds.bytes / sizeof(int));
  }
  return ResultOf(info, got);
}

// send(fd, from: Uint8Array, at, length, fds?: Int32Array) -> bytes taken; descriptors stay the caller's
//
// Safety: reads only inside the view; a peer that is gone is an EPIPE, not a signal.
Napi::Value SendCall(const Napi::CallbackInfo& info) {
  const View from = ViewArg(info, 1);
  const double at = NumberArg(info, 2);
  const double length = NumberArg(info, 3);
  if (!(at >= 0 && length >= 1 && at + length <= static_cast<double>(from.bytes))) return Result(info, -EINVAL);
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))];
  iovec part = {from.data + static_cast<size_t>(at), static_cast<size_t>(length)};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const View fds = ViewArg(info, 4);
  const size_t count = fds.bytes / sizeof(int);
  if (count > kMaxFds) return Result(info, -EINVAL);
  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* const c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof(int));
    std::memcpy(CMSG_DATA(c), fds.data, count * sizeof(int));
  }
  ssize_t sent;
  do {
    sent = ::sendmsg(IntArg(info, 0), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return ResultOf(info, sent);
}

// close(fd) -> 0. Not retried on EINTR: Linux has released the descriptor by then (close(2)).
Napi::Value CloseCall(const Napi::CallbackInfo& info) { return ResultOf(info, ::close(IntArg(info, 0))); }

}  // namespace

void RegisterSocket(Napi::Env env, Napi::Object exports) {
  Export<ListenCall>(env, exports, "listen");
  Export<AcceptCall>(env, exports, "accept");
  Export<ConnectCall>(env, exports, "connect");
  Export<SocketPairCall>(env, exports, "socketPair");
  Export<RecvCall>(env, exports, "recv");
  Export<SendCall>(env, exports, "send");
  Export<CloseCall>(env, exports, "close");
}

}  // namespace xengt
