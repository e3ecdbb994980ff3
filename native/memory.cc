// Shared memory of guests as ArrayBuffers.
//
// JavaScript may hold a view for as long as it likes, and the owner of the memory may truncate the file whenever it
// likes. Neither may end this process:
//  - unmapping puts anonymous zero pages over the range; the addresses go back to the system only when the garbage
//    collector has found the last view gone;
//  - a fault on a page that the file no longer has (SIGBUS) is answered with a zero page at that address.
#include "addon.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>

namespace xengt {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kMaxMappings = 8192;
constexpr double kMaxArena = 4294967296.0;
// Single pages replaced per mapping before the whole mapping is: each one splits a kernel mapping, of which a process has
// only 65,530, and all guests share that number.
constexpr uint32_t kMaxPatches = 16;

struct Mapping {
  std::atomic<uintptr_t> start{0};  // 0: slot is free
  std::atomic<size_t> length{0};
  std::atomic<uint32_t> faults{0};
  std::atomic<bool> retired{false};
  // Addresses of ours that somebody else uses now: never unmapped.
  std::atomic<bool> shared_out{false};
};

// Read by the signal handler without a lock, written under `table_lock`.
Mapping table[kMaxMappings];
std::mutex table_lock;
std::atomic<uint32_t> bus_faults{0};
std::atomic<int> live_mappings{0};
struct sigaction previous_handler;

// Safety: the range must be one that this file mapped; MAP_FIXED replaces whatever is there.
bool ZeroPagesOver(uintptr_t start, size_t length) {
  return ::mmap(reinterpret_cast<void*>(start), length, PROT_READ | PROT_WRITE,
                MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED;
}

Mapping* MappingAt(uintptr_t address) {
  for (Mapping& m : table) {
    const uintptr_t start = m.start.load(std::memory_order_acquire);
    if (start != 0 && address >= start && address - start < m.length.load(std::memory_order_acquire)) return &m;
  }
  return nullptr;
}

// Safety: runs on the thread that faulted, in the middle of any instruction; uses only atomics and the mmap system call.
void OnBusError(int number, siginfo_t* info, void* context) {
  // Positive codes are the kernel's own; what another process sent by kill(2) carries no address.
  if (info->si_code > 0) {
    const int saved = errno;
    const uintptr_t address = reinterpret_cast<uintptr_t>(info->si_addr);
    Mapping* const m = MappingAt(address);
    if (m != nullptr) {
      bus_faults.fetch_add(1);
      const uint32_t fault = m->faults.fetch_add(1) + 1;
      const bool patched = (fault <= kMaxPatches && ZeroPagesOver(address & ~(kPage - 1), kPage)) ||
                           ZeroPagesOver(m->start.load(), m->length.load());
      errno = saved;
      if (patched) return;
    }
    errno = saved;
  }
  if ((previous_handler.sa_flags & SA_SIGINFO) != 0 && previous_handler.sa_sigaction != nullptr) {
    previous_handler.sa_sigaction(number, info, context);
  } else if (previous_handler.sa_handler != SIG_DFL && previous_handler.sa_handler != SIG_IGN) {
    previous_handler.sa_handler(number);
  } else {
    // Back to the default: returning repeats the access, which then ends the process as it would have without us.
    ::signal(SIGBUS, SIG_DFL);
    if (info->si_code <= 0) ::raise(SIGBUS);
  }
}

bool InstallBusHandler() {
  static std::once_flag once;
  static bool installed = false;
  std::call_once(once, [] {
    struct sigaction action = {};
    action.sa_sigaction = OnBusError;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ::sigemptyset(&action.sa_mask);
    installed = ::sigaction(SIGBUS, &action, &previous_handler) == 0;
  });
  return installed;
}

Mapping* TakeSlot(uintptr_t start, size_t length) {
  const std::lock_guard<std::mutex> hold(table_lock);
  for (Mapping& m : table) {
    if (m.start.load() != 0) continue;
    m.faults.store(0);
    m.retired.store(false);
    m.shared_out.store(false);
    m.length.store(length);
    m.start.store(start, std::memory_order_release);
    live_mappings.fetch_add(1);
    return &m;
  }
  return nullptr;
}

// Called once the last view is gone (or its thread's environment is). Safety: nothing can reach the range any more.
void Release(Mapping* m) {
  const std::lock_guard<std::mutex> hold(table_lock);
  const uintptr_t start = m->start.exchange(0);
  if (!m->shared_out.load()) ::munmap(reinterpret_cast<void*>(start), m->length.load());
  if (!m->retired.load()) live_mappings.fetch_sub(1);
}

// The mapping as an ArrayBuffer, which from here on decides how long its addresses are taken.
Napi::Value Wrap(const Napi::CallbackInfo& info, void* memory, size_t bytes) {
  // Advice only: a guest's memory has no place in a core dump of the mediator.
  (void)::madvise(memory, bytes, MADV_DONTDUMP);
  Mapping* const slot = TakeSlot(reinterpret_cast<uintptr_t>(memory), bytes);
  if (slot == nullptr) {
    ::munmap(memory, bytes);
    return Result(info, -ENOSPC);
  }
  napi_value buffer;
  const napi_status status = napi_create_external_arraybuffer(
      info.Env(), memory, bytes, [](napi_env, void*, void* hint) { Release(static_cast<Mapping*>(hint)); }, slot, &buffer);
  if (status != napi_ok) {
    Release(slot);
    return Result(info, -ENOMEM);
  }
  return Napi::Value(info.Env(), buffer);
}

// map(fd, offset, length) -> ArrayBuffer over the file's pages, readable and writable; or -errno
//
// Safety: the range lies within the file now (checked), and where the file shrinks later OnBusError answers.
Napi::Value MapCall(const Napi::CallbackInfo& info) {
  const int fd = IntArg(info, 0);
  const double offset = NumberArg(info, 1);
  const double length = NumberArg(info, 2);
  constexpr double kLimit = 9007199254740992.0;
  if (!(offset >= 0 && offset < kLimit && length >= kPage && length < kLimit)) return Result(info, -EINVAL);
  const uint64_t from = static_cast<uint64_t>(offset);
  const size_t bytes = static_cast<size_t>(length);
  if (from % kPage != 0 || bytes % kPage != 0) return Result(info, -EINVAL);
  struct stat file;
  if (::fstat(fd, &file) < 0) return ResultOf(info, -1);
  if (!S_ISREG(file.st_mode)) return Result(info, -ENODEV);
  if (from + bytes > static_cast<uint64_t>(file.st_size)) return Result(info, -ENXIO);
  if (!InstallBusHandler()) return Result(info, -ENOSYS);
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, static_cast<off_t>(from));
  if (memory == MAP_FAILED) return ResultOf(info, -1);
  return Wrap(info, memory, bytes);
}

// arena(length) -> ArrayBuffer of zero pages, at whose place others' memory is mapped piece by piece; or -errno
Napi::Value ArenaCall(const Napi::CallbackInfo& info) {
  const double length = NumberArg(info, 0);
  if (!(length >= kPage && length <= kMaxArena)) return Result(info, -EINVAL);
  const size_t bytes = static_cast<size_t>(length);
  if (bytes % kPage != 0) return Result(info, -EINVAL);
  if (!InstallBusHandler()) return Result(info, -ENOSYS);
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return ResultOf(info, -1);
  return Wrap(info, memory, bytes);
}

Mapping* MappingOf(const Napi::CallbackInfo& info, size_t index = 0) {
  void* data = nullptr;
  size_t length = 0;
  bool is_buffer = false;
  if (napi_is_arraybuffer(info.Env(), info[index], &is_buffer) != napi_ok || !is_buffer) return nullptr;
  if (napi_get_arraybuffer_info(info.Env(), info[index], &data, &length) != napi_ok || data == nullptr) return nullptr;
  Mapping* const m = MappingAt(reinterpret_cast<uintptr_t>(data));
  return m != nullptr && m->start.load() == reinterpret_cast<uintptr_t>(data) ? m : nullptr;
}

// unmap(buffer) -> 0; views of it read zero from now on and keep no hold on the file
Napi::Value UnmapCall(const Napi::CallbackInfo& info) {
  Mapping* const m = MappingOf(info);
  if (m == nullptr) return Result(info, -EINVAL);
  if (m->retired.load()) return Result(info, 0);
  if (!m->shared_out.load() && !ZeroPagesOver(m->start.load(), m->length.load())) return ResultOf(info, -1);
  m->retired.store(true);
  live_mappings.fetch_sub(1);
  return Result(info, 0);
}

// mappings() -> mappings of files that are in force now, in all threads
Napi::Value MappingsCall(const Napi::CallbackInfo& info) { return Result(info, live_mappings.load()); }

// busFaults() -> accesses so far, in all threads, to pages that their file no longer had
Napi::Value BusFaultsCall(const Napi::CallbackInfo& info) { return Result(info, bus_faults.load()); }

// faultsOf(buffer) -> the same for one mapping
Napi::Value FaultsOfCall(const Napi::CallbackInfo& info) {
  const Mapping* const m = MappingOf(info);
  return Result(info, m == nullptr ? -EINVAL : static_cast<double>(m->faults.load()));
}

// statFile(fd, into: Float64Array[5]) -> 0; device, inode (high and low half), size, 1 when it is a regular file
Napi::Value StatFileCall(const Napi::CallbackInfo& info) {
  const View into = ViewArg(info, 1);
  if (into.bytes < 5 * sizeof(double)) return Result(info, -EINVAL);
  struct stat file;
  if (::fstat(IntArg(info, 0), &file) < 0) return ResultOf(info, -1);
  double* const out = reinterpret_cast<double*>(into.data);
  out[0] = static_cast<double>(file.st_dev);
  out[1] = static_cast<double>(static_cast<uint64_t>(file.st_ino) >> 32);
  out[2] = static_cast<double>(static_cast<uint64_t>(file.st_ino) & 0xffffffffu);
  out[3] = static_cast<double>(file.st_size);
  out[4] = S_ISREG(file.st_mode) ? 1 : 0;
  return Result(info, 0);
}

}  // namespace

uint8_t* ArenaRange(const Napi::CallbackInfo& info, size_t index, double offset, double bytes) {
  Mapping* const m = MappingOf(info, index);
  if (m == nullptr || m->retired.load() || !(offset >= 0 && bytes >= kPage)) return nullptr;
  if (!(offset + bytes <= static_cast<double>(m->length.load()))) return nullptr;
  const size_t from = static_cast<size_t>(offset);
  if (from % kPage != 0 || static_cast<size_t>(bytes) % kPage != 0) return nullptr;
  return reinterpret_cast<uint8_t*>(m->start.load() + from);
}

int ClearArena(uint8_t* at, size_t bytes) {
  return ZeroPagesOver(reinterpret_cast<uintptr_t>(at), bytes) ? 0 : -errno;
}

int MendArena(uint8_t* at, size_t bytes) {
  unsigned char resident[512];
  for (size_t done = 0; done < bytes; done += sizeof(resident) * kPage) {
    const size_t part = std::min(bytes - done, sizeof(resident) * kPage);
    // Only a hole is answered with ENOMEM.
    if (::mincore(at + done, part, resident) == 0 || errno != ENOMEM) continue;
    void* const mended = ::mmap(at + done, part, PROT_READ | PROT_WRITE,
                                MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mended == at + done) continue;
    const int why = mended == MAP_FAILED ? errno : EEXIST;
    if (mended != MAP_FAILED) ::munmap(mended, part);
    Mapping* const m = MappingAt(reinterpret_cast<uintptr_t>(at));
    if (m != nullptr) m->shared_out.store(true);
    return -why;
  }
  return 0;
}

void RegisterMemory(Napi::Env env, Napi::Object exports) {
  Export<MapCall>(env, exports, "map");
  Export<ArenaCall>(env, exports, "arena");
  Export<UnmapCall>(env, exports, "unmap");
  Export<MappingsCall>(env, exports, "mappings");
  Export<BusFaultsCall>(env, exports, "busFaults");
  Export<FaultsOfCall>(env, exports, "faultsOf");
  Export<StatFileCall>(env, exports, "statFile");
}

}  // namespace xengt
