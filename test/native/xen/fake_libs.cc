// One of the five libraries, by LIBRARY: 0 toolcore, 1 call, 2 devicemodel, 3 foreignmemory, 4 evtchn. WITHOUT leaves one
// function out, as an old Xen would.
#include "fake_xen.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

using fake::Control;
using fake::fake_host;
using xengt::xen::DomId;
using xengt::xen::Domctl;

namespace {

[[maybe_unused]] Control& C() { return fake_host()->control(); }

// Whether this call is the one that is to fail.
[[maybe_unused]] bool Fails(fake::Function function) {
  Control& c = C();
  if (c.fail != function) return false;
  if (c.fail_skip > 0) {
    c.fail_skip--;
    return false;
  }
  errno = static_cast<int>(c.fail_errno);
  return true;
}

// Handles are memory, so that one that is used after its end or never given back is found.
template <typename T>
[[maybe_unused]] T* Handle() {
  return reinterpret_cast<T*>(std::malloc(8));
}

}  // namespace

#define FAILS(name) Fails(fake::k_##name)

extern "C" {

#if LIBRARY == 0
int xentoolcore_present() { return 1; }
#endif

#if LIBRARY == 1
xengt::xen::Calls* xencall_open(void*, unsigned) {
  if (FAILS(xencall_open)) return nullptr;
  C().calls++;
  return Handle<xengt::xen::Calls>();
}
int xencall_close(xengt::xen::Calls* handle) {
  C().calls--;
  std::free(handle);
  return FAILS(xencall_close) ? -1 : 0;
}
void* xencall_alloc_buffer(xengt::xen::Calls*, size_t bytes) {
  if (FAILS(xencall_alloc_buffer)) return nullptr;
  C().buffers++;
  return std::malloc(bytes);
}
void xencall_free_buffer(xengt::xen::Calls*, void* buffer) {
  C().buffers--;
  std::free(buffer);
}
int xencall1(xengt::xen::Calls*, unsigned operation, uint64_t argument) {
  if (FAILS(xencall1)) return -1;
  Control& c = C();
  const Domctl* const request = reinterpret_cast<const Domctl*>(static_cast<uintptr_t>(argument));
  c.domctl_tries++;
  errno = EACCES;
  if (operation != xengt::xen::kHypercallDomctl || request->version != c.domctl_version) return -1;
  if (request->command == xengt::xen::kDomctlIomemPermission) {
    c.permitted = request->u.iomem.allow != 0 ? static_cast<uint32_t>(request->u.iomem.count) : 0;
    return 0;
  }
  const xengt::xen::MemoryMapping& mapping = request->u.mapping;
  errno = E2BIG;
  if (mapping.count > c.domctl_most) return -1;
  errno = ENOSPC;
  if (c.mappings >= fake::kMostMappings) return -1;
  const uint64_t row[4] = {mapping.first_gfn, mapping.first_mfn, mapping.count, mapping.add};
  for (int i = 0; i < 4; i++) c.mapping[c.mappings][i] = static_cast<uint32_t>(row[i]);
  c.mappings++;
  return 0;
}
#endif

#if LIBRARY == 2
using Model = xengt::xen::DeviceModel;
#define MODEL(name, ...)                    \
  int name(Model*, DomId, __VA_ARGS__) {    \
    if (FAILS(name)) return -1;             \
    Control& c = C();                       \
    (void)c;
Model* xendevicemodel_open(void*, unsigned) {
  if (FAILS(xendevicemodel_open)) return nullptr;
  C().models++;
  return Handle<Model>();
}
int xendevicemodel_close(Model* handle) {
  C().models--;
  std::free(handle);
  return FAILS(xendevicemodel_close) ? -1 : 0;
}
int xendevicemodel_restrict(Model*, DomId) { return FAILS(xendevicemodel_restrict) ? -1 : 0; }
MODEL(xendevicemodel_create_ioreq_server, int, uint16_t* id)
  *id = 3;
  c.servers++;
  return 0;
}
MODEL(xendevicemodel_destroy_ioreq_server, uint16_t id)
  errno = ENOENT;
  if (id != 3 || c.servers == 0) return -1;
  c.servers--;
  return 0;
}
MODEL(xendevicemodel_set_ioreq_server_state, uint16_t, int enabled)
  c.enabled = static_cast<uint32_t>(enabled);
  for (int vcpu = 0; enabled != 0 && vcpu < xengt::xen::kMaxVcpus; vcpu++) {
    fake_host()->requests()[vcpu].port = 500u + static_cast<uint32_t>(vcpu);
  }
  return 0;
}
MODEL(xendevicemodel_map_io_range_to_ioreq_server, uint16_t, int, uint64_t start, uint64_t last)
  c.range_add = 1;
  c.range_start = static_cast<uint32_t>(start);
  c.range_last = static_cast<uint32_t>(last);
  return 0;
}
MODEL(xendevicemodel_unmap_io_range_from_ioreq_server, uint16_t, int, uint64_t start, uint64_t last)
  c.range_add = 0;
  c.range_start = static_cast<uint32_t>(start);
  c.range_last = static_cast<uint32_t>(last);
  return 0;
}
MODEL(xendevicemodel_map_pcidev_to_ioreq_server, uint16_t, uint16_t, uint8_t bus, uint8_t device, uint8_t function)
  c.pci = static_cast<uint32_t>(bus << 8 | device << 3 | function);
  return 0;
}
MODEL(xendevicemodel_map_mem_type_to_ioreq_server, uint16_t, uint16_t type, uint32_t flags)
  c.mem_type = type;
  c.mem_flags = flags;
  return 0;
}
MODEL(xendevicemodel_set_mem_type, int type, uint64_t first, uint32_t count)
  c.mem_type = static_cast<uint32_t>(type);
  c.mem_first = static_cast<uint32_t>(first);
  c.mem_count = count;
  return 0;
}
MODEL(xendevicemodel_inject_msi, uint64_t address, uint32_t data)
  c.msi_address = static_cast<uint32_t>(address);
  c.msi_data = data;
  return 0;
}
MODEL(xendevicemodel_set_pci_intx_level, uint16_t, uint8_t, uint8_t device, uint8_t, unsigned level)
  c.intx_device = device;
  c.intx_level = level;
  return 0;
}
#ifndef WITHOUT
MODEL(xendevicemodel_nr_vcpus, unsigned* count)
  *count = c.vcpus;
  return 0;
}
#endif
#endif

#if LIBRARY == 3
using Memory = xengt::xen::ForeignMemory;
Memory* xenforeignmemory_open(void*, unsigned) {
  if (FAILS(xenforeignmemory_open)) return nullptr;
  C().memories++;
  return Handle<Memory>();
}
int xenforeignmemory_close(Memory* handle) {
  C().memories--;
  std::free(handle);
  return FAILS(xenforeignmemory_close) ? -1 : 0;
}
int xenforeignmemory_restrict(Memory*, DomId) { return FAILS(xenforeignmemory_restrict) ? -1 : 0; }
void* xenforeignmemory_map2(Memory*, uint32_t, void* at, int protection, int flags, size_t pages,
                            const unsigned long* frames, int* errors) {
  // The real one takes away what it has put there when it fails.
  if (FAILS(xenforeignmemory_map2)) {
    const int why = errno;
    if ((flags & MAP_FIXED) != 0) ::munmap(at, pages * 4096);
    errno = why;
    return nullptr;
  }
  for (size_t i = 0; i < pages; i++) {
    uint8_t* const page = static_cast<uint8_t*>(at) + i * 4096;
    const bool there = frames[i] < fake::kFrames && fake_host()->present()[frames[i]] != 0;
    errors[i] = there ? 0 : -EINVAL;
    const off_t from = there ? static_cast<off_t>(fake::kRamAt + frames[i] * 4096) : 0;
    void* const mapped = there ? ::mmap(page, 4096, protection, flags | MAP_SHARED, fake_host()->fd, from)
                               : ::mmap(page, 4096, PROT_NONE, flags | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return nullptr;
  }
  return at;
}
xengt::xen::Resource* xenforeignmemory_map_resource(Memory*, DomId, unsigned, unsigned, unsigned long frame, unsigned long,
                                                    void** at, int protection, int) {
  if (FAILS(xenforeignmemory_map_resource)) return nullptr;
  errno = EINVAL;
  if (frame != xengt::xen::kFrameOfRequests) return nullptr;
  void** const resource = static_cast<void**>(std::malloc(sizeof(void*)));
  *resource = ::mmap(nullptr, 4096, protection, MAP_SHARED, fake_host()->fd, fake::kRequestsAt);
  *at = *resource;
  C().resources++;
  return reinterpret_cast<xengt::xen::Resource*>(resource);
}
int xenforeignmemory_unmap_resource(Memory*, xengt::xen::Resource* handle) {
  void** const resource = reinterpret_cast<void**>(handle);
  ::munmap(*resource, 4096);
  std::free(resource);
  C().resources--;
  return FAILS(xenforeignmemory_unmap_resource) ? -1 : 0;
}
#endif

#if LIBRARY == 4
using Events = xengt::xen::EventChannels;
Events* xenevtchn_open(void*, unsigned) {
  if (FAILS(xenevtchn_open)) return nullptr;
  int* const handle = static_cast<int*>(std::malloc(sizeof(int)));
  *handle = ::eventfd(0, EFD_CLOEXEC);
  C().events++;
  return reinterpret_cast<Events*>(handle);
}
int xenevtchn_close(Events* handle) {
  ::close(*reinterpret_cast<int*>(handle));
  std::free(handle);
  C().events--;
  return FAILS(xenevtchn_close) ? -1 : 0;
}
int xenevtchn_fd(Events* handle) { return FAILS(xenevtchn_fd) ? -1 : *reinterpret_cast<int*>(handle); }
int xenevtchn_bind_interdomain(Events*, uint32_t, uint32_t remote) {
  if (FAILS(xenevtchn_bind_interdomain)) return -1;
  C().ports++;
  return static_cast<int>(fake::PortOf(static_cast<int>(remote) - 500));
}
int xenevtchn_unbind(Events*, uint32_t) {
  C().ports--;
  return FAILS(xenevtchn_unbind) ? -1 : 0;
}
int xenevtchn_pending(Events* handle) {
  if (FAILS(xenevtchn_pending)) return -1;
  Control& c = C();
  if (c.pending_count == 0) {
    uint64_t events = 0;
    (void)!::read(*reinterpret_cast<int*>(handle), &events, sizeof(events));
    errno = EAGAIN;
    return -1;
  }
  const uint32_t port = c.pending[0];
  c.pending_count--;
  std::memmove(&c.pending[0], &c.pending[1], c.pending_count * sizeof(uint32_t));
  return static_cast<int>(port);
}
int xenevtchn_unmask(Events*, uint32_t) {
  C().unmasked++;
  return FAILS(xenevtchn_unmask) ? -1 : 0;
}
int xenevtchn_notify(Events*, uint32_t) {
  C().notified++;
  return FAILS(xenevtchn_notify) ? -1 : 0;
}
#endif

}  // extern "C"
