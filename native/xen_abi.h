// The public interface of Xen as far as a device model needs it: sizes, numbers and prototypes, so that the addon builds
// without Xen's headers and one binary serves every Xen from 4.17 on.
//
// Sources: Xen's public headers hvm/ioreq.h, hvm/dm_op.h, domctl.h and memory.h; prototypes of the stable libraries
// xendevicemodel.h, xenforeignmemory.h, xenevtchn.h, xencall.h and xentoolcore.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace xengt::xen {

using DomId = uint16_t;

// ---- requests (hvm/ioreq.h)

constexpr uint8_t kStateNone = 0;
constexpr uint8_t kStateReady = 1;
constexpr uint8_t kStateInProcess = 2;
constexpr uint8_t kStateResponse = 3;

constexpr uint8_t kStateMask = 0x0f;
constexpr uint8_t kDataIsPointer = 0x10;
constexpr uint8_t kIsRead = 0x20;
constexpr uint8_t kDownwards = 0x40;

constexpr uint8_t kTypeCopy = 1;

// One vCPU's place in the page of requests.
struct Request {
  uint64_t address;
  uint64_t data;
  uint32_t count;
  uint32_t size;
  uint32_t port;
  uint16_t pad;
  // State in the low nibble, flags above it.
  uint8_t state;
  uint8_t type;
};
static_assert(sizeof(Request) == 32, "the layout is Xen's");

constexpr size_t kPage = 4096;
constexpr int kMaxVcpus = kPage / sizeof(Request);

// ---- resources and device-model operations

constexpr unsigned kResourceIoreqServer = 0;
// Frame 0 of the resource is the page of buffered requests, which this device does without.
constexpr unsigned long kFrameOfRequests = 1;
constexpr int kNoBufferedRequests = 0;

// ---- domain control (domctl.h): the one interface here that is not stable. Both structures below have kept their
// layout from 4.10 on; the version is found by asking.

constexpr unsigned kHypercallDomctl = 36;
constexpr uint32_t kDomctlIomemPermission = 20;
constexpr uint32_t kDomctlMemoryMapping = 39;
// 4.17 is 0x15, 4.18 0x16, 4.19 to 4.21 0x17.
constexpr uint32_t kDomctlVersions[] = {0x15, 0x16, 0x17, 0x18, 0x19, 0x14};

struct IomemPermission {
  uint64_t first_mfn;
  uint64_t count;
  uint8_t allow;
};

struct MemoryMapping {
  uint64_t first_gfn;
  uint64_t first_mfn;
  uint64_t count;
  uint32_t add;
  uint32_t pad;
};

struct Domctl {
  uint32_t command;
  uint32_t version;
  DomId domain;
  uint16_t pad[3];
  union {
    IomemPermission iomem;
    MemoryMapping mapping;
    uint8_t bytes[128];
  } u;
};
static_assert(offsetof(Domctl, u) == 16, "the layout is Xen's");

// ---- the libraries. Handles are theirs and opaque.

struct DeviceModel;
struct ForeignMemory;
struct Resource;
struct EventChannels;
struct Calls;

struct Api {
  DeviceModel* (*xendevicemodel_open)(void* logger, unsigned flags);
  int (*xendevicemodel_close)(DeviceModel*);
  int (*xendevicemodel_restrict)(DeviceModel*, DomId);
  int (*xendevicemodel_create_ioreq_server)(DeviceModel*, DomId, int buffered, uint16_t* id);
  int (*xendevicemodel_destroy_ioreq_server)(DeviceModel*, DomId, uint16_t id);
  int (*xendevicemodel_set_ioreq_server_state)(DeviceModel*, DomId, uint16_t id, int enabled);
  int (*xendevicemodel_map_io_range_to_ioreq_server)(DeviceModel*, DomId, uint16_t id, int is_mmio, uint64_t start,
                                                     uint64_t last);
  int (*xendevicemodel_unmap_io_range_from_ioreq_server)(DeviceModel*, DomId, uint16_t id, int is_mmio, uint64_t start,
                                                         uint64_t last);
  int (*xendevicemodel_map_pcidev_to_ioreq_server)(DeviceModel*, DomId, uint16_t id, uint16_t segment, uint8_t bus,
                                                   uint8_t device, uint8_t function);
  int (*xendevicemodel_map_mem_type_to_ioreq_server)(DeviceModel*, DomId, uint16_t id, uint16_t type, uint32_t flags);
  // The type is an enum of C, which is an int to the caller.
  int (*xendevicemodel_set_mem_type)(DeviceModel*, DomId, int type, uint64_t first, uint32_t count);
  int (*xendevicemodel_inject_msi)(DeviceModel*, DomId, uint64_t address, uint32_t data);
  int (*xendevicemodel_set_pci_intx_level)(DeviceModel*, DomId, uint16_t segment, uint8_t bus, uint8_t device,
                                           uint8_t pin, unsigned level);
  int (*xendevicemodel_nr_vcpus)(DeviceModel*, DomId, unsigned* count);

  ForeignMemory* (*xenforeignmemory_open)(void* logger, unsigned flags);
  int (*xenforeignmemory_close)(ForeignMemory*);
  int (*xenforeignmemory_restrict)(ForeignMemory*, DomId);
  void* (*xenforeignmemory_map2)(ForeignMemory*, uint32_t domain, void* at, int protection, int flags, size_t pages,
                                 const unsigned long* frames, int* errors);
  Resource* (*xenforeignmemory_map_resource)(ForeignMemory*, DomId, unsigned type, unsigned id, unsigned long frame,
                                             unsigned long frames, void** at, int protection, int flags);
  int (*xenforeignmemory_unmap_resource)(ForeignMemory*, Resource*);

  EventChannels* (*xenevtchn_open)(void* logger, unsigned flags);
  int (*xenevtchn_close)(EventChannels*);
  int (*xenevtchn_fd)(EventChannels*);
  int (*xenevtchn_bind_interdomain)(EventChannels*, uint32_t domain, uint32_t remote_port);
  int (*xenevtchn_unbind)(EventChannels*, uint32_t port);
  int (*xenevtchn_pending)(EventChannels*);
  int (*xenevtchn_unmask)(EventChannels*, uint32_t port);
  int (*xenevtchn_notify)(EventChannels*, uint32_t port);

  Calls* (*xencall_open)(void* logger, unsigned flags);
  int (*xencall_close)(Calls*);
  void* (*xencall_alloc_buffer)(Calls*, size_t bytes);
  void (*xencall_free_buffer)(Calls*, void*);
  int (*xencall1)(Calls*, unsigned operation, uint64_t argument);
};

// Loads the libraries from the system, or from `folder` where it is not empty.
// @returns one sentence that says what is missing, or an empty one; nothing stays loaded when something is missing
std::string Load(const std::string& folder);

// The libraries' functions; null before Load() has succeeded.
const Api* Loaded();

}  // namespace xengt::xen
