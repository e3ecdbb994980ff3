#include "xen_guest.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cstring>

namespace xengt::xen {
namespace {

// Events taken in one go: a guest that never pauses does not keep the others waiting.
constexpr int kMostEvents = 256;
// Frames in one call: its arguments live on the stack.
constexpr uint32_t kMostFrames = 512;

int Failed() { return errno == 0 ? -EIO : -errno; }
int ResultOf(int answer) { return answer < 0 ? Failed() : answer; }

// The byte that Xen and we take turns in writing.
uint8_t LoadState(const Request* slot) { return __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE); }
void StoreState(Request* slot, uint8_t flags, uint8_t state) {
  __atomic_store_n(&slot->state, static_cast<uint8_t>((flags & ~kStateMask) | state), __ATOMIC_RELEASE);
}

}  // namespace

int Guest::Open(const Api* api) {
  for (int& port : ports_) port = -1;
  api_ = api;
  errno = 0;
  model_ = api->xendevicemodel_open(nullptr, 0);
  if (model_ == nullptr) return Failed();
  memory_ = api->xenforeignmemory_open(nullptr, 0);
  if (memory_ == nullptr) return Failed();
  events_ = api->xenevtchn_open(nullptr, 0);
  if (events_ == nullptr) return Failed();
  // Events are read until there is none, which must not block.
  const int fd = Fd();
  if (fd < 0) return fd;
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return Failed();
  // Not a condition of service: kernels before 4.15 cannot. Where it holds, a mistake here cannot reach another domain.
  restricted_ = api->xendevicemodel_restrict(model_, domain_) == 0 &&
                api->xenforeignmemory_restrict(memory_, domain_) == 0;
  return 0;
}

int Guest::Fd() const {
  if (events_ == nullptr) return -EBADF;
  errno = 0;
  return ResultOf(api_->xenevtchn_fd(events_));
}

int Guest::CreateServer() {
  uint16_t id = 0;
  errno = 0;
  if (api_->xendevicemodel_create_ioreq_server(model_, domain_, kNoBufferedRequests, &id) < 0) return Failed();
  server_ = id;
  return id;
}

int Guest::MapRequests() {
  void* at = nullptr;
  errno = 0;
  resource_ = api_->xenforeignmemory_map_resource(memory_, domain_, kResourceIoreqServer, static_cast<unsigned>(server_),
                                                  kFrameOfRequests, 1, &at, PROT_READ | PROT_WRITE, 0);
  if (resource_ == nullptr) return Failed();
  page_ = static_cast<Request*>(at);
  return 0;
}

int Guest::SetEnabled(bool enabled) {
  errno = 0;
  const int answer =
      api_->xendevicemodel_set_ioreq_server_state(model_, domain_, static_cast<uint16_t>(server_), enabled ? 1 : 0);
  if (answer < 0) return Failed();
  enabled_ = enabled;
  return 0;
}

int Guest::ClaimPci(uint8_t device, uint8_t function) {
  errno = 0;
  return ResultOf(api_->xendevicemodel_map_pcidev_to_ioreq_server(model_, domain_, static_cast<uint16_t>(server_), 0, 0,
                                                                  device, function));
}

int Guest::SetRange(bool add, bool memory, uint64_t start, uint64_t bytes) {
  errno = 0;
  const auto change = add ? api_->xendevicemodel_map_io_range_to_ioreq_server
                          : api_->xendevicemodel_unmap_io_range_from_ioreq_server;
  return ResultOf(
      change(model_, domain_, static_cast<uint16_t>(server_), memory ? 1 : 0, start, start + bytes - 1));
}

int Guest::Vcpus() {
  unsigned count = 0;
  errno = 0;
  if (api_->xendevicemodel_nr_vcpus(model_, domain_, &count) < 0) return Failed();
  return count > static_cast<unsigned>(kMaxVcpus) ? -EOVERFLOW : static_cast<int>(count);
}

int Guest::Bind(int vcpu) {
  if (vcpu < 0 || vcpu >= kMaxVcpus || page_ == nullptr || ports_[vcpu] >= 0) return -EINVAL;
  errno = 0;
  const int port = api_->xenevtchn_bind_interdomain(events_, domain_, page_[vcpu].port);
  if (port < 0) return Failed();
  ports_[vcpu] = port;
  bound_ = bound_ > vcpu + 1 ? bound_ : vcpu + 1;
  // A request that came before this channel was bound sent its event to nobody.
  if ((LoadState(&page_[vcpu]) & kStateMask) == kStateReady) Look(vcpu);
  return port;
}

int Guest::InjectMsi(uint64_t address, uint32_t data) {
  errno = 0;
  return ResultOf(api_->xendevicemodel_inject_msi(model_, domain_, address, data));
}

int Guest::SetIntx(uint8_t device, bool level) {
  errno = 0;
  return ResultOf(api_->xendevicemodel_set_pci_intx_level(model_, domain_, 0, 0, device, 0, level ? 1 : 0));
}

int Guest::MapMemType(uint16_t type, uint32_t flags) {
  errno = 0;
  return ResultOf(api_->xendevicemodel_map_mem_type_to_ioreq_server(model_, domain_, static_cast<uint16_t>(server_),
                                                                    type, flags));
}

int Guest::SetMemType(int type, uint64_t first, uint32_t count) {
  errno = 0;
  return ResultOf(api_->xendevicemodel_set_mem_type(model_, domain_, type, first, count));
}

int Guest::MapFrames(uint8_t* at, uint64_t first, uint32_t count, uint8_t* present) {
  if (count == 0 || count > kMostFrames || memory_ == nullptr) return -EINVAL;
  unsigned long frames[kMostFrames];
  int errors[kMostFrames] = {};
  for (uint32_t i = 0; i < count; i++) frames[i] = first + i;
  errno = 0;
  void* const mapped = api_->xenforeignmemory_map2(memory_, domain_, at, PROT_READ | PROT_WRITE, MAP_FIXED, count,
                                                   frames, errors);
  if (mapped == nullptr) return Failed();
  int found = 0;
  for (uint32_t i = 0; i < count; i++) {
    present[i] = errors[i] == 0 ? 1 : 0;
    found += present[i];
  }
  return found;
}

void Guest::Look(int vcpu) {
  Request* const slot = &page_[vcpu];
  const uint8_t state = LoadState(slot);
  if ((state & kStateMask) != kStateReady) {
    stray++;
    return;
  }
  StoreState(slot, state, kStateInProcess);
  requests++;
  if (!AnswerPlain(slot, vcpu)) waiting_.set(static_cast<size_t>(vcpu));
}

bool Guest::AnswerPlain(Request* slot, int vcpu) {
  const bool whole = slot->size == 4 || slot->size == 8;
  const uint8_t flags = slot->state;
  const bool simple = slot->type == kTypeCopy && slot->count == 1 && (flags & (kIsRead | kDataIsPointer)) == kIsRead;
  if (!simple || !whole) return false;
  // An address below the base wraps round to a large one.
  const uint64_t offset = slot->address - plain_.base;
  const uint64_t dword = offset / 4;
  const uint64_t last = dword + slot->size / 4 - 1;
  if (offset % 4 != 0 || last >= plain_.dwords) return false;
  if (plain_.plain[dword] == 0 || plain_.plain[last] == 0) return false;
  uint64_t value = plain_.bank[dword];
  if (last != dword) value |= static_cast<uint64_t>(plain_.bank[last]) << 32;
  slot->data = value;
  plain_reads++;
  Respond(slot, vcpu);
  return true;
}

void Guest::Respond(Request* slot, int vcpu) {
  StoreState(slot, slot->state, kStateResponse);
  if (ports_[vcpu] >= 0) (void)api_->xenevtchn_notify(events_, static_cast<uint32_t>(ports_[vcpu]));
}

int Guest::Pump() {
  if (events_ == nullptr) return -EBADF;
  int failed = 0;
  for (int taken = 0; taken < kMostEvents; taken++) {
    errno = 0;
    const int port = api_->xenevtchn_pending(events_);
    if (port < 0) {
      if (errno != EAGAIN && errno != EINTR) failed = Failed();
      break;
    }
    // Unmasked first: what comes from here on is a new event.
    (void)api_->xenevtchn_unmask(events_, static_cast<uint32_t>(port));
    int vcpu = 0;
    while (vcpu < bound_ && ports_[vcpu] != port) vcpu++;
    if (vcpu == bound_) {
      stray++;
    } else {
      Look(vcpu);
    }
  }
  // What came before is served first.
  return waiting_.any() ? 1 : failed;
}

int Guest::Next(Request* into) {
  if (!waiting_.any()) return -1;
  int vcpu = 0;
  while (!waiting_.test(static_cast<size_t>(vcpu))) vcpu++;
  waiting_.reset(static_cast<size_t>(vcpu));
  open_.set(static_cast<size_t>(vcpu));
  std::memcpy(into, &page_[vcpu], sizeof(*into));
  return vcpu;
}

int Guest::Answer(int vcpu, uint64_t data) {
  if (vcpu < 0 || vcpu >= kMaxVcpus || !open_.test(static_cast<size_t>(vcpu))) return -EINVAL;
  open_.reset(static_cast<size_t>(vcpu));
  page_[vcpu].data = data;
  Respond(&page_[vcpu], vcpu);
  return 0;
}

// Lets every vCPU go that waits for an answer, as a bus does where nobody answers.
void Guest::Release() {
  if (page_ == nullptr) return;
  for (int vcpu = 0; vcpu < bound_; vcpu++) {
    Request* const slot = &page_[vcpu];
    const uint8_t state = LoadState(slot) & kStateMask;
    if (state != kStateReady && state != kStateInProcess) continue;
    if ((slot->state & kDataIsPointer) == 0) slot->data = UINT64_MAX;
    Respond(slot, vcpu);
  }
  waiting_.reset();
  open_.reset();
}

int Guest::Close() {
  int first = 0;
  const auto note = [&first](int answer) {
    if (answer < 0 && first == 0) first = Failed();
  };
  errno = 0;
  plain_ = PlainRegisters();
  // From here on Xen sends nothing more; what it has sent is answered.
  if (enabled_) note(api_->xendevicemodel_set_ioreq_server_state(model_, domain_, static_cast<uint16_t>(server_), 0));
  enabled_ = false;
  Release();
  for (int vcpu = 0; vcpu < bound_; vcpu++) {
    if (ports_[vcpu] >= 0) note(api_->xenevtchn_unbind(events_, static_cast<uint32_t>(ports_[vcpu])));
    ports_[vcpu] = -1;
  }
  bound_ = 0;
  if (resource_ != nullptr) note(api_->xenforeignmemory_unmap_resource(memory_, resource_));
  resource_ = nullptr;
  page_ = nullptr;
  if (server_ >= 0) note(api_->xendevicemodel_destroy_ioreq_server(model_, domain_, static_cast<uint16_t>(server_)));
  server_ = -1;
  if (events_ != nullptr) note(api_->xenevtchn_close(events_));
  events_ = nullptr;
  if (memory_ != nullptr) note(api_->xenforeignmemory_close(memory_));
  memory_ = nullptr;
  if (model_ != nullptr) note(api_->xendevicemodel_close(model_));
  model_ = nullptr;
  return first;
}

}  // namespace xengt::xen
