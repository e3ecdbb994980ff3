// Memory of Xen's guests, mapped into an arena piece by piece, and memory of the host mapped into guests.
#include "xen.h"

#include <algorithm>
#include <cstring>

namespace xengt {
namespace {

using xen::Api;
using xen::Calls;
using xen::Domctl;

constexpr double kPageBytes = xen::kPage;

// xenMapFrames(guest, arena, at, first, present: Uint8Array) -> frames present among those mapped, present.length of them
//   -EFAULT: this part of the arena is lost for good
//
// Safety: the range lies within an arena in force (checked), so that MAP_FIXED replaces nothing but zero pages or a window
// mapped before. A library that fails as a whole may leave a hole there, which is mended.
Napi::Value MapFramesCall(const Napi::CallbackInfo& info) {
  xen::Guest* const guest = xen::GuestArg(info, 0);
  if (guest == nullptr) return Result(info, -EBADF);
  const View present = ViewArg(info, 4);
  const double first = NumberArg(info, 3);
  const double bytes = static_cast<double>(present.length) * kPageBytes;
  uint8_t* const at = ArenaRange(info, 1, NumberArg(info, 2), bytes);
  if (at == nullptr || !(first >= 0 && first < 4503599627370496.0)) return Result(info, -EINVAL);
  const int found = guest->MapFrames(at, static_cast<uint64_t>(first), static_cast<uint32_t>(present.length), present.data);
  if (found >= 0) return Result(info, found);
  const int mended = MendArena(at, static_cast<size_t>(bytes));
  return Result(info, mended < 0 ? -EFAULT : found);
}

// xenUnmapFrames(arena, at, frames) -> 0; zero pages are there instead, and the guest's frames are let go
Napi::Value UnmapFramesCall(const Napi::CallbackInfo& info) {
  const double bytes = NumberArg(info, 2) * kPageBytes;
  uint8_t* const at = ArenaRange(info, 0, NumberArg(info, 1), bytes);
  return Result(info, at == nullptr ? -EINVAL : ClearArena(at, static_cast<size_t>(bytes)));
}

// One domain-control hypercall at a time: the arguments must be in memory that the kernel does not move.
class DomainControl {
 public:
  explicit DomainControl(const Api* api) : api_(api) {
    calls_ = api->xencall_open(nullptr, 0);
    if (calls_ != nullptr) buffer_ = static_cast<Domctl*>(api->xencall_alloc_buffer(calls_, sizeof(Domctl)));
  }
  DomainControl(const DomainControl&) = delete;
  DomainControl& operator=(const DomainControl&) = delete;
  ~DomainControl() {
    if (buffer_ != nullptr) api_->xencall_free_buffer(calls_, buffer_);
    if (calls_ != nullptr) (void)api_->xencall_close(calls_);
  }

  // @returns what the hypercall returned, or -errno. Another version than the hypervisor's is answered with EACCES.
  int Call(Domctl& request) {
    if (buffer_ == nullptr) return errno == 0 ? -EIO : -errno;
    static uint32_t known = 0;
    for (uint32_t version : xen::kDomctlVersions) {
      if (known != 0 && version != known) continue;
      request.version = version;
      std::memcpy(buffer_, &request, sizeof(request));
      errno = 0;
      const int answer = api_->xencall1(calls_, xen::kHypercallDomctl, reinterpret_cast<uintptr_t>(buffer_));
      if (answer < 0 && errno == EACCES && known == 0) continue;
      if (answer >= 0) known = version;
      return answer < 0 ? -errno : answer;
    }
    return -EACCES;
  }

 private:
  const Api* const api_;
  Calls* calls_ = nullptr;
  Domctl* buffer_ = nullptr;
};

int MapRange(DomainControl& control, xen::DomId domain, bool add, uint64_t gfn, uint64_t mfn, uint64_t count) {
  // More at once keeps the hypervisor from everybody else for too long; it refuses some sizes with E2BIG.
  uint64_t most = 64;
  while (count > 0) {
    const uint64_t now = std::min(count, most);
    Domctl request = {};
    request.command = xen::kDomctlMemoryMapping;
    request.domain = domain;
    request.u.mapping = {gfn, mfn, now, add ? 1u : 0u, 0};
    const int answer = control.Call(request);
    if (answer == -E2BIG && most > 1) {
      most /= 2;
      continue;
    }
    if (answer < 0) return answer;
    const uint64_t done = answer == 0 ? now : static_cast<uint64_t>(answer);
    if (done > now) return -EPROTO;
    gfn += done;
    mfn += done;
    count -= done;
  }
  return 0;
}

// xenMapHost(domid, add, gfn, mfn, frames) -> 0; frames of a device of the host appear in the guest, or no longer
Napi::Value MapHostCall(const Napi::CallbackInfo& info) {
  const Api* const api = xen::Loaded();
  if (api == nullptr) return Result(info, -ENOSYS);
  const double numbers[] = {NumberArg(info, 2), NumberArg(info, 3), NumberArg(info, 4)};
  for (double number : numbers) {
    if (!(number >= 0 && number < 4503599627370496.0)) return Result(info, -EINVAL);
  }
  if (xen::DomainArg(info, 0) < 0) return Result(info, -EINVAL);
  const auto domain = static_cast<xen::DomId>(xen::DomainArg(info, 0));
  const bool add = info[1].ToBoolean();
  const auto gfn = static_cast<uint64_t>(numbers[0]);
  const auto mfn = static_cast<uint64_t>(numbers[1]);
  const auto count = static_cast<uint64_t>(numbers[2]);
  errno = 0;
  DomainControl control(api);
  Domctl permission = {};
  permission.command = xen::kDomctlIomemPermission;
  permission.domain = domain;
  permission.u.iomem = {mfn, count, static_cast<uint8_t>(add ? 1 : 0)};
  if (!add) {
    const int unmapped = MapRange(control, domain, false, gfn, mfn, count);
    const int denied = control.Call(permission);
    return Result(info, unmapped < 0 ? unmapped : denied);
  }
  int answer = control.Call(permission);
  if (answer >= 0) answer = MapRange(control, domain, true, gfn, mfn, count);
  return Result(info, answer < 0 ? answer : 0);
}

}  // namespace

void RegisterXenMemory(Napi::Env env, Napi::Object exports) {
  Export<MapFramesCall>(env, exports, "xenMapFrames");
  Export<UnmapFramesCall>(env, exports, "xenUnmapFrames");
  Export<MapHostCall>(env, exports, "xenMapHost");
}

}  // namespace xengt
