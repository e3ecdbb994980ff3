// One guest's ioreq server: the page of requests that it shares with Xen, an event channel per vCPU, and the reads that are
// answered here. Owned and used by one thread.
#pragma once

#include "xen_abi.h"

#include <bitset>
#include <cerrno>

namespace xengt::xen {

// Registers that may be read without asking anybody: reading one does nothing, and its value is what the bank holds.
struct PlainRegisters {
  const uint32_t* bank = nullptr;
  // By dword of the bank, 1 where the register is plain.
  const uint8_t* plain = nullptr;
  size_t dwords = 0;
  // Guest address of the first. While the guest does not decode them there are no dwords.
  uint64_t base = 0;
};

class Guest {
 public:
  explicit Guest(DomId domain) : domain_(domain) {}
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;
  ~Guest() { Close(); }

  // All of these: zero or more is the result, below zero is -errno.

  // Handles of the libraries, limited to this domain where the kernel can do that.
  int Open(const Api* api);
  int CreateServer();
  int MapRequests();
  int SetEnabled(bool enabled);
  int ClaimPci(uint8_t device, uint8_t function);
  int SetRange(bool add, bool memory, uint64_t start, uint64_t bytes);
  int Vcpus();
  // Valid once the server is enabled: that is when Xen writes the channels' numbers into the page.
  int Bind(int vcpu);
  int Fd() const;
  int InjectMsi(uint64_t address, uint32_t data);
  int SetIntx(uint8_t device, bool level);
  int MapMemType(uint16_t type, uint32_t flags);
  int SetMemType(int type, uint64_t first, uint32_t count);
  // Maps guest frames [first, first + count) at `at`. present[i] becomes 1 where there is one.
  // @returns how many are present
  int MapFrames(uint8_t* at, uint64_t first, uint32_t count, uint8_t* present);

  // Leaves nothing behind: vCPUs that wait are let go, channels unbound, the page unmapped, the server destroyed.
  // @returns the first error met; the rest is done all the same
  int Close();

  void SetPlain(const PlainRegisters& plain) { plain_ = plain; }

  // Takes what the event channels bring, answers plain reads.
  // @returns 1 when requests are left for others, 0 when not, -errno when events cannot be taken any more
  int Pump();
  // A request that Pump() left: its vCPU and its fields. @returns -1 when there is none
  int Next(Request* into);
  // Ends a request that Next() gave.
  int Answer(int vcpu, uint64_t data);

  bool restricted() const { return restricted_; }
  // Since it was opened. Read by the owner's thread only.
  double plain_reads = 0;
  double requests = 0;
  // Events of channels that are not ours, or of requests that were not ready.
  double stray = 0;

 private:
  void Look(int vcpu);
  bool AnswerPlain(Request* slot, int vcpu);
  void Respond(Request* slot, int vcpu);
  void Release();

  const DomId domain_;
  const Api* api_ = nullptr;
  DeviceModel* model_ = nullptr;
  ForeignMemory* memory_ = nullptr;
  EventChannels* events_ = nullptr;
  Resource* resource_ = nullptr;
  Request* page_ = nullptr;
  int server_ = -1;
  bool enabled_ = false;
  bool restricted_ = false;
  // Local port of each vCPU's channel, -1: not bound.
  int ports_[kMaxVcpus];
  int bound_ = 0;
  // vCPUs whose request waits for Next().
  std::bitset<kMaxVcpus> waiting_;
  // vCPUs whose request Next() gave and Answer() has not ended.
  std::bitset<kMaxVcpus> open_;
  PlainRegisters plain_;
};

}  // namespace xengt::xen
