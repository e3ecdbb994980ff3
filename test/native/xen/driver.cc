// What the addon does for Xen guests, without Node: built with the sanitizers, run on libraries without Xen.
// Usage: driver FOLDER, as build.ts has made it.
#include "fake_xen.h"

#include "../../../native/xen_guest.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace {

using fake::Control;
using fake::PortOf;
using xengt::xen::Guest;
using xengt::xen::kDataIsPointer;
using xengt::xen::kDownwards;
using xengt::xen::kIsRead;
using xengt::xen::kMaxVcpus;
using xengt::xen::kStateInProcess;
using xengt::xen::kStateMask;
using xengt::xen::kStateNone;
using xengt::xen::kStateReady;
using xengt::xen::kStateResponse;
using xengt::xen::kTypeCopy;
using xengt::xen::Request;

int passed = 0;
int failed = 0;
bool fine = true;
std::string folder;

void Same(long long got, long long meant, const char* what, int line) {
  if (got == meant) return;
  std::printf("  driver.cc:%d: %s is %lld, not %lld\n", line, what, got, meant);
  fine = false;
}
#define SAME(got, meant) Same(static_cast<long long>(got), static_cast<long long>(meant), #got, __LINE__)
#define HOLDS(what) Same((what) ? 1 : 0, 1, #what, __LINE__)

Control& C() { return fake::fake_host()->control(); }
Request* Slots() { return fake::fake_host()->requests(); }

// A host that has done nothing yet, with `vcpus` vCPUs and RAM in all frames but every seventh.
void NewHost(uint32_t vcpus) {
  std::memset(fake::fake_host()->bytes, 0, fake::kRamAt);
  C().vcpus = vcpus;
  for (uint32_t i = 0; i < fake::kFrames; i++) fake::fake_host()->present()[i] = i % 7 == 6 ? 0 : 1;
}

void NothingLeft() {
  const Control& c = C();
  SAME(c.models + c.memories + c.events + c.calls + c.buffers, 0);
  SAME(c.servers, 0);
  SAME(c.resources, 0);
  SAME(c.ports, 0);
  SAME(c.enabled, 0);
}

void FailAt(fake::Function function, int why, uint32_t skip = 0) {
  C().fail = function;
  C().fail_errno = static_cast<uint32_t>(why);
  C().fail_skip = skip;
}

// All steps of attaching. @returns the first error
int Attach(Guest& guest) {
  int answer = guest.Open(xengt::xen::Loaded());
  if (answer >= 0) answer = guest.CreateServer();
  if (answer >= 0) answer = guest.MapRequests();
  if (answer >= 0) answer = guest.ClaimPci(2, 0);
  if (answer >= 0) answer = guest.SetEnabled(true);
  const int vcpus = answer < 0 ? answer : guest.Vcpus();
  if (vcpus < 0) return vcpus;
  for (int vcpu = 0; vcpu < vcpus && answer >= 0; vcpu++) answer = guest.Bind(vcpu);
  return answer;
}

void Event(uint32_t port) { C().pending[C().pending_count++] = port; }

// A vCPU asks, and the event comes.
void Ask(int vcpu, uint64_t address, uint8_t flags, uint32_t size = 4, uint64_t data = 0, uint32_t count = 1,
         uint8_t type = kTypeCopy) {
  Request& slot = Slots()[vcpu];
  slot.address = address;
  slot.data = data;
  slot.count = count;
  slot.size = size;
  slot.type = type;
  slot.state = static_cast<uint8_t>(flags | kStateReady);
  Event(PortOf(vcpu));
}

int StateOf(int vcpu) { return Slots()[vcpu].state & kStateMask; }

void Test(const char* name, const std::function<void()>& run) {
  fine = true;
  run();
  std::printf("%s %s\n", fine ? "ok  " : "FAIL", name);
  (fine ? passed : failed)++;
}

bool Has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

void Libraries() {
  Test("a machine without Xen is told the first library that is missing, and its package", [] {
    const std::string said = xengt::xen::Load(folder + "/none");
    HOLDS(Has(said, "libxentoolcore.so.1 does not load"));
    HOLDS(Has(said, "apt-get install libxentoolcore1"));
    HOLDS(xengt::xen::Loaded() == nullptr);
  });
  Test("one library that is missing among five is named itself", [] {
    const std::string said = xengt::xen::Load(folder + "/four");
    HOLDS(Has(said, "libxenevtchn.so.1 does not load"));
    HOLDS(Has(said, "apt-get install libxenevtchn1"));
    HOLDS(xengt::xen::Loaded() == nullptr);
  });
  Test("a library that is too old is told from one that is missing", [] {
    const std::string said = xengt::xen::Load(folder + "/old");
    HOLDS(said == "libxendevicemodel.so.1 has no xendevicemodel_nr_vcpus; Xen 4.17 or newer is needed");
    HOLDS(xengt::xen::Loaded() == nullptr);
  });
  Test("libraries are found after all that, and loading them again changes nothing", [] {
    HOLDS(xengt::xen::Load(folder).empty());
    const void* const first = xengt::xen::Loaded();
    HOLDS(first != nullptr);
    HOLDS(xengt::xen::Load(folder + "/none").empty());
    HOLDS(xengt::xen::Loaded() == first);
  });
}

void Attaching() {
  Test("a guest attached and let go leaves nothing behind", [] {
    NewHost(4);
    Guest guest(7);
    SAME(Attach(guest), PortOf(3));
    HOLDS(guest.restricted());
    SAME(C().pci, 0x10);
    SAME(C().ports, 4);
    SAME(guest.Close(), 0);
    NothingLeft();
    SAME(guest.Close(), 0);
    SAME(guest.Fd(), -EBADF);
    SAME(guest.Pump(), -EBADF);
  });
  Test("a guest that is forgotten is let go too", [] {
    NewHost(2);
    { HOLDS(Attach(*std::make_unique<Guest>(7)) >= 0); }
    NothingLeft();
  });
  Test("a kernel that cannot limit handles to one domain serves all the same", [] {
    NewHost(1);
    FailAt(fake::k_xendevicemodel_restrict, EOPNOTSUPP);
    Guest guest(7);
    HOLDS(Attach(guest) >= 0);
    HOLDS(!guest.restricted());
  });
  Test("128 vCPUs have a place and 129 are refused", [] {
    NewHost(128);
    {
      Guest guest(7);
      SAME(Attach(guest), PortOf(127));
      Ask(127, 0x1000, kIsRead);
      SAME(guest.Pump(), 1);
      Request request;
      SAME(guest.Next(&request), 127);
    }
    NewHost(129);
    Guest guest(7);
    SAME(Attach(guest), -EOVERFLOW);
    SAME(guest.Close(), 0);
    NothingLeft();
  });
  Test("a vCPU is bound once, and only where there is a place for it", [] {
    NewHost(1);
    Guest guest(7);
    HOLDS(Attach(guest) >= 0);
    SAME(guest.Bind(0), -EINVAL);
    SAME(guest.Bind(-1), -EINVAL);
    SAME(guest.Bind(kMaxVcpus), -EINVAL);
    Guest closed(8);
    SAME(closed.Bind(0), -EINVAL);
  });
  Test("a request that came before its channel was bound is found", [] {
    NewHost(1);
    Request& slot = Slots()[0];
    slot.state = kIsRead | kStateReady;
    slot.size = 4;
    slot.count = 1;
    slot.type = 2;
    Guest guest(7);
    HOLDS(Attach(guest) >= 0);
    SAME(guest.Pump(), 1);
    Request request;
    SAME(guest.Next(&request), 0);
    SAME(request.type, 2);
  });
}

// Every call of a library that attaching, serving or closing makes.
void Failures() {
  struct Row {
    fake::Function function;
    const char* name;
  };
  static constexpr Row kRows[] = {
#define F(name) {fake::k_##name, #name},
      XENGT_FAKE_FUNCTIONS(F)
#undef F
  };
  for (const Row& row : kRows) {
    const std::string name(row.name);
    Test((name + " may fail: what was opened is let go").c_str(), [&row] {
      for (const int why : {ESRCH, 0}) {
        NewHost(3);
        FailAt(row.function, why);
        Guest guest(7);
        const int attached = Attach(guest);
        HOLDS(attached >= 0 || attached == (why == 0 ? -EIO : -why));
        if (attached >= 0) {
          Ask(1, 0x1000, kIsRead);
          const int pumped = guest.Pump();
          HOLDS(pumped == 1 || row.function == fake::k_xenevtchn_pending);
          Request request;
          if (pumped == 1) SAME(guest.Next(&request), 1);
          if (pumped == 1) SAME(guest.Answer(1, 5), 0);
        }
        (void)guest.Close();
        Control& c = C();
        // What Xen refuses to take back is Xen's.
        if (row.function == fake::k_xendevicemodel_set_ioreq_server_state) c.enabled = 0;
        if (row.function == fake::k_xendevicemodel_destroy_ioreq_server) c.servers = 0;
        NothingLeft();
      }
    });
  }
  Test("each operation passes on why it failed", [] {
    NewHost(1);
    Guest guest(7);
    HOLDS(Attach(guest) >= 0);
    std::vector<uint8_t> present(1);
    void* const page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const std::pair<fake::Function, std::function<int()>> calls[] = {
        {fake::k_xendevicemodel_map_io_range_to_ioreq_server, [&] { return guest.SetRange(true, true, 0, 4096); }},
        {fake::k_xendevicemodel_unmap_io_range_from_ioreq_server, [&] { return guest.SetRange(false, true, 0, 4096); }},
        {fake::k_xendevicemodel_inject_msi, [&] { return guest.InjectMsi(0xfee00000, 1); }},
        {fake::k_xendevicemodel_set_pci_intx_level, [&] { return guest.SetIntx(2, true); }},
        {fake::k_xendevicemodel_map_mem_type_to_ioreq_server, [&] { return guest.MapMemType(4, 2); }},
        {fake::k_xendevicemodel_set_mem_type, [&] { return guest.SetMemType(4, 1, 1); }},
        {fake::k_xenforeignmemory_map2,
         [&] { return guest.MapFrames(static_cast<uint8_t*>(page), 0, 1, present.data()); }},
        {fake::k_xenevtchn_pending, [&] { return guest.Pump(); }},
    };
    for (const auto& [function, call] : calls) {
      FailAt(function, ESRCH);
      SAME(call(), -ESRCH);
      FailAt(function, 0);
      SAME(call(), -EIO);
    }
    FailAt(fake::kNone, 0);
    SAME(guest.SetRange(true, true, 0xf0000000, 0x1000000), 0);
    SAME(C().range_last, 0xf0ffffff);
    SAME(guest.InjectMsi(0xfee01004, 0x4041), 0);
    SAME(C().msi_address, 0xfee01004);
    SAME(C().msi_data, 0x4041);
    SAME(guest.SetIntx(2, true), 0);
    SAME(C().intx_device * 10 + C().intx_level, 21);
    SAME(guest.SetMemType(4, 77, 1), 0);
    SAME(C().mem_first, 77);
  });
  Test("the first of several errors in closing is the one that is told", [] {
    NewHost(2);
    Guest guest(7);
    HOLDS(Attach(guest) >= 0);
    FailAt(fake::k_xenevtchn_unbind, ENOTCONN);
    SAME(guest.Close(), -ENOTCONN);
    NothingLeft();
  });
}

void Serving() {
  Test("a request is taken once, answered once, and its vCPU told once", [] {
    NewHost(2);
    Guest guest(7);
    HOLDS(Attach(guest) >= 0);
    Ask(1, 0xf0002000, kIsRead | kDataIsPointer | kDownwards, 8, 0x123456789abcdef0, 5);
    SAME(guest.Pump(), 1);
    SAME(StateOf(1), kStateInProcess);
    SAME(guest.Pump(), 1);
    Request request;
    SAME(guest.Next(&request), 1);
    SAME(request.address, 0xf0002000);
    HOLDS(request.data == 0x123456789abcdef0);
    SAME(request.count * 100 + request.size, 508);
    SAME(request.state & 0xf0, kIsRead | kDataIsPointer | kDownwards);
    SAME(guest.Next(&request), -1);
    SAME(guest.Pump(), 0);
    SAME(guest.Answer(1, 0xfeedfacecafebeef), 0);
    HOLDS(Slots()[1].data == 0xfeedfacecafebeef);
    SAME(StateOf(1), kStateResponse);
    SAME(Slots()[1].state & 0xf0, kIsRead | kDataIsPointer | kDownwards);
    SAME(C().notified, 1);
    SAME(guest.Answer(1, 0), -EINVAL);
    SAME(guest.Answer(0, 0), -EINVAL);
    SAME(guest.Answer(-1, 0), -EINVAL);
    SAME(guest.Answer(kMaxVcpus, 0), -EINVAL);
    SAME(C().notified, 1);
    SAME(guest.requests, 1);
  });
  Test("events without a request, of answered requests and of others’ channels are counted", [] {
    NewHost(2);
    Guest guest(7);
    HOLDS(Attach(guest) >= 0);
    Event(PortOf(0));
    Event(4711);
    SAME(guest.Pump(), 0);
    SAME(guest.stray, 2);
    Ask(0, 0, kIsRead);
    Event(PortOf(0));
    SAME(guest.Pump(), 1);
    SAME(guest.stray, 3);
    SAME(C().unmasked, 4);
  });
  Test("so many events at a time and no more: others have their turn", [] {
    NewHost(1);
    Guest guest(7);
    HOLDS(Attach(guest) >= 0);
    for (int i = 0; i < 300; i++) Event(PortOf(0));
    SAME(guest.Pump(), 0);
    SAME(C().pending_count, 44);
    SAME(guest.Pump(), 0);
    SAME(C().pending_count, 0);
  });
  Test("requests that were taken are served before a broken channel is told of", [] {
    NewHost(1);
    Guest guest(7);
    HOLDS(Attach(guest) >= 0);
    Ask(0, 0, kIsRead);
    FailAt(fake::k_xenevtchn_pending, EFBIG, 1);
    SAME(guest.Pump(), 1);
    Request request;
    SAME(guest.Next(&request), 0);
    SAME(guest.Pump(), -EFBIG);
    FailAt(fake::k_xenevtchn_pending, EINTR);
    SAME(guest.Pump(), 0);
  });
  Test("closing answers those that wait, those being served and those nobody saw, each once", [] {
    NewHost(5);
    Guest guest(7);
    HOLDS(Attach(guest) >= 0);
    Ask(0, 0x1000, kIsRead);
    Ask(1, 0x1000, kIsRead | kDataIsPointer, 4, 0x5000, 3);
    SAME(guest.Pump(), 1);
    Request request;
    SAME(guest.Next(&request), 0);
    Ask(2, 0x1000, kIsRead);
    Slots()[3].state = kStateResponse;
    Slots()[3].data = 3;
    SAME(guest.Close(), 0);
    SAME(StateOf(0) * 100 + StateOf(1) * 10 + StateOf(2), 333);
    HOLDS(Slots()[0].data == UINT64_MAX && Slots()[2].data == UINT64_MAX);
    SAME(Slots()[1].data, 0x5000);
    SAME(Slots()[3].data, 3);
    SAME(StateOf(4), kStateNone);
    SAME(C().notified, 3);
    NothingLeft();
  });
}

void Plain() {
  constexpr uint64_t kBase = 0xf0000000;
  // The last two end where the memory does, so that a read beyond is found.
  const auto bank = std::make_unique<std::vector<uint32_t>>(std::vector<uint32_t>{10, 11, 12, 13, 14, 15, 16, 17});
  const auto plain = std::make_unique<std::vector<uint8_t>>(std::vector<uint8_t>{1, 1, 1, 0, 1, 1, 1, 1});
  bank->shrink_to_fit();
  struct Row {
    const char* name;
    uint64_t address;
    uint8_t flags;
    uint32_t size;
    uint32_t count;
    uint8_t type;
    // What is answered at once; 0: somebody is asked.
    uint64_t answer;
  };
  const Row rows[] = {
      {"the first", kBase, kIsRead, 4, 1, kTypeCopy, 10},
      {"the last", kBase + 28, kIsRead, 4, 1, kTypeCopy, 17},
      {"a pair", kBase + 16, kIsRead, 8, 1, kTypeCopy, 15ull << 32 | 14},
      {"the last pair", kBase + 24, kIsRead, 8, 1, kTypeCopy, 17ull << 32 | 16},
      {"a pair at a dword", kBase + 4, kIsRead, 8, 1, kTypeCopy, 12ull << 32 | 11},
      {"one that is not plain", kBase + 12, kIsRead, 4, 1, kTypeCopy, 0},
      {"a pair whose second is not plain", kBase + 8, kIsRead, 8, 1, kTypeCopy, 0},
      {"a pair whose first is not plain", kBase + 12, kIsRead, 8, 1, kTypeCopy, 0},
      {"a pair over the end", kBase + 28, kIsRead, 8, 1, kTypeCopy, 0},
      {"beyond the end", kBase + 32, kIsRead, 4, 1, kTypeCopy, 0},
      {"below the base", kBase - 4, kIsRead, 4, 1, kTypeCopy, 0},
      {"a pair below the base", kBase - 4, kIsRead, 8, 1, kTypeCopy, 0},
      {"the end of all addresses", UINT64_MAX - 3, kIsRead, 4, 1, kTypeCopy, 0},
      {"the start of all addresses", 0, kIsRead, 4, 1, kTypeCopy, 0},
      {"no dword’s start", kBase + 2, kIsRead, 4, 1, kTypeCopy, 0},
      {"a word", kBase, kIsRead, 2, 1, kTypeCopy, 0},
      {"a byte", kBase, kIsRead, 1, 1, kTypeCopy, 0},
      {"no size", kBase, kIsRead, 0, 1, kTypeCopy, 0},
      {"a huge size", kBase, kIsRead, UINT32_MAX, 1, kTypeCopy, 0},
      {"a write", kBase, 0, 4, 1, kTypeCopy, 0},
      {"a read into memory", kBase, kIsRead | kDataIsPointer, 4, 1, kTypeCopy, 0},
      {"several", kBase, kIsRead, 4, 2, kTypeCopy, 0},
      {"none", kBase, kIsRead, 4, 0, kTypeCopy, 0},
      {"configuration space", kBase, kIsRead, 4, 1, 2, 0},
      {"a port", kBase, kIsRead, 4, 1, 0, 0},
  };
  for (const Row& row : rows) {
    Test((std::string("a plain register: ") + row.name).c_str(), [&] {
      NewHost(1);
      Guest guest(7);
      HOLDS(Attach(guest) >= 0);
      guest.SetPlain({bank->data(), plain->data(), plain->size(), kBase});
      Ask(0, row.address, row.flags, row.size, 0x77, row.count, row.type);
      SAME(guest.Pump(), row.answer == 0 ? 1 : 0);
      SAME(guest.plain_reads, row.answer == 0 ? 0 : 1);
      SAME(Slots()[0].data, row.answer == 0 ? 0x77 : row.answer);
      SAME(StateOf(0), row.answer == 0 ? kStateInProcess : kStateResponse);
      SAME(C().notified, row.answer == 0 ? 0 : 1);
    });
  }
  Test("plain registers are not answered while the guest does not decode them", [&] {
    NewHost(1);
    Guest guest(7);
    HOLDS(Attach(guest) >= 0);
    guest.SetPlain({bank->data(), plain->data(), plain->size(), kBase});
    guest.SetPlain(xengt::xen::PlainRegisters());
    Ask(0, kBase, kIsRead);
    SAME(guest.Pump(), 1);
  });
  Test("a thousand plain reads of four vCPUs ask nobody", [&] {
    NewHost(4);
    Guest guest(7);
    HOLDS(Attach(guest) >= 0);
    guest.SetPlain({bank->data(), plain->data(), plain->size(), kBase});
    for (int i = 0; i < 1000; i++) {
      Ask(i % 4, kBase, kIsRead);
      SAME(guest.Pump(), 0);
      SAME(StateOf(i % 4), kStateResponse);
    }
    SAME(guest.requests, 1000);
    SAME(guest.plain_reads, 1000);
  });
}

void Frames() {
  constexpr uint32_t kMost = 512;
  uint8_t* const at = static_cast<uint8_t*>(
      ::mmap(nullptr, kMost * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  Test("frames that exist are mapped, those that do not are told apart", [at] {
    NewHost(1);
    Guest guest(7);
    HOLDS(Attach(guest) >= 0);
    std::vector<uint8_t> present(14, 9);
    fake::fake_host()->bytes[fake::kRamAt + 8 * 4096 + 5] = 42;
    SAME(guest.MapFrames(at, 0, 14, present.data()), 12);
    for (uint32_t i = 0; i < 14; i++) SAME(present[i], i % 7 == 6 ? 0 : 1);
    SAME(at[8 * 4096 + 5], 42);
    at[9 * 4096] = 43;
    SAME(fake::fake_host()->bytes[fake::kRamAt + 9 * 4096], 43);
  });
  Test("as many frames as fit are mapped at once, no more and not none", [at] {
    NewHost(1);
    Guest guest(7);
    HOLDS(Attach(guest) >= 0);
    std::vector<uint8_t> present(kMost);
    HOLDS(guest.MapFrames(at, 0, kMost, present.data()) > 400);
    SAME(guest.MapFrames(at, 0, kMost + 1, present.data()), -EINVAL);
    SAME(guest.MapFrames(at, 0, 0, present.data()), -EINVAL);
    SAME(guest.MapFrames(at, fake::kFrames, 8, present.data()), 0);
    (void)guest.Close();
    SAME(guest.MapFrames(at, 0, 1, present.data()), -EINVAL);
  });
  ::munmap(at, kMost * 4096);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::printf("usage: driver FOLDER\n");
    return 2;
  }
  // What was said before a sanitizer ends it is not lost.
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  folder = arguments[1];
  Libraries();
  if (xengt::xen::Loaded() == nullptr) {
    std::printf("the libraries did not load\n%d passed, %d failed\n", passed, failed + 1);
    return 1;
  }
  Attaching();
  Failures();
  Serving();
  Plain();
  Frames();
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
