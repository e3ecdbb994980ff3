// Xen's libraries without Xen: what they are asked is carried out on a file (or memory) that the test sees too, so that one
// set of libraries serves the C++ driver, which links this, and a Node that has loaded the addon, which maps the file.
#pragma once

#include "../../../native/xen_abi.h"

#include <cstdint>

namespace fake {

// The functions of the libraries, by which one is told to fail.
#define XENGT_FAKE_FUNCTIONS(F)                                                                                          \
  F(xendevicemodel_open) F(xendevicemodel_close) F(xendevicemodel_restrict) F(xendevicemodel_create_ioreq_server)        \
  F(xendevicemodel_destroy_ioreq_server) F(xendevicemodel_set_ioreq_server_state)                                        \
  F(xendevicemodel_map_io_range_to_ioreq_server) F(xendevicemodel_unmap_io_range_from_ioreq_server)                      \
  F(xendevicemodel_map_pcidev_to_ioreq_server) F(xendevicemodel_map_mem_type_to_ioreq_server)                            \
  F(xendevicemodel_set_mem_type) F(xendevicemodel_inject_msi) F(xendevicemodel_set_pci_intx_level)                       \
  F(xendevicemodel_nr_vcpus) F(xenforeignmemory_open) F(xenforeignmemory_close) F(xenforeignmemory_restrict)             \
  F(xenforeignmemory_map2) F(xenforeignmemory_map_resource) F(xenforeignmemory_unmap_resource) F(xenevtchn_open)         \
  F(xenevtchn_close) F(xenevtchn_fd) F(xenevtchn_bind_interdomain) F(xenevtchn_unbind) F(xenevtchn_pending)              \
  F(xenevtchn_unmask) F(xenevtchn_notify) F(xencall_open) F(xencall_close) F(xencall_alloc_buffer)                       \
  F(xencall_free_buffer) F(xencall1)

enum Function : uint32_t {
  kNone,
#define F(name) k_##name,
  XENGT_FAKE_FUNCTIONS(F)
#undef F
      kFunctions
};

constexpr uint32_t kFrames = 1024;
constexpr uint32_t kRequestsAt = 0;
constexpr uint32_t kControlAt = 4096;
constexpr uint32_t kPresentAt = 8192;
constexpr uint32_t kRamAt = 12288;
constexpr uint32_t kBytes = kRamAt + kFrames * 4096;
constexpr uint32_t kMostPending = 400;
constexpr uint32_t kMostMappings = 64;

// The page at kControlAt, as dwords; the order is known to test/native/xen/host.ts.
struct Control {
  // This function fails with this errno (0: without one), after so many calls that do not.
  uint32_t fail;
  uint32_t fail_errno;
  uint32_t fail_skip;
  uint32_t vcpus;
  // What is open or in force now; all of it 0 when nothing was left behind.
  uint32_t models, memories, events, calls, buffers, servers, resources, ports, enabled;
  // Events that were not taken, and what was notified.
  uint32_t pending_count;
  uint32_t notified;
  uint32_t unmasked;
  // Arguments of the last calls.
  uint32_t msi_address, msi_data, intx_device, intx_level, mem_type, mem_first, mem_count, mem_flags, pci, range_add;
  uint32_t range_start, range_last;
  // The version that the hypervisor wants of a domctl, and the frames that it maps in one.
  uint32_t domctl_version, domctl_most, domctl_tries;
  uint32_t permitted;
  uint32_t mappings;
  uint32_t mapping[kMostMappings][4];
  uint32_t pending[kMostPending];
};
static_assert(sizeof(Control) <= 4096, "it is one page");

struct Host {
  uint8_t* bytes;
  int fd;
  Control& control() { return *reinterpret_cast<Control*>(bytes + kControlAt); }
  xengt::xen::Request* requests() { return reinterpret_cast<xengt::xen::Request*>(bytes + kRequestsAt); }
  uint8_t* present() { return bytes + kPresentAt; }
};

// The file that XENGT_FAKE_XEN names, or memory of this process.
extern "C" Host* fake_host();

// Local port of a vCPU's channel.
inline uint32_t PortOf(int vcpu) { return 1000u + static_cast<uint32_t>(vcpu); }

}  // namespace fake
