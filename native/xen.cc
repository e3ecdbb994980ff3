// Guests of Xen: their ioreq servers, event channels and interrupts, each call one operation.
//
// Safety: a guest is a number in a table, so that a stale one is refused and never a pointer. It is opened, used and closed
// by one thread.
#include "xen.h"

#include <array>
#include <memory>
#include <mutex>

namespace xengt {
namespace {

using xen::Guest;
using xen::Request;

constexpr int kMaxGuests = 256;

// What one guest holds of JavaScript: the arrays behind its plain registers must not be collected while they are read.
struct Seat {
  explicit Seat(xen::DomId domain) : guest(domain) {}
  Guest guest;
  Napi::Reference<Napi::Value> bank;
  Napi::Reference<Napi::Value> plain;
  int ep = -1;
  int id = -1;
};

std::mutex seats_lock;
std::array<std::unique_ptr<Seat>, kMaxGuests> seats;

Seat* SeatArg(const Napi::CallbackInfo& info, size_t index) {
  const int at = WholeArg(info, index, 0, kMaxGuests - 1);
  if (at < 0) return nullptr;
  const std::lock_guard<std::mutex> hold(seats_lock);
  return seats[static_cast<size_t>(at)].get();
}

// An address or a count: exact below 2^53. @returns UINT64_MAX for anything else
uint64_t WordArg(const Napi::CallbackInfo& info, size_t index) {
  const double value = NumberArg(info, index);
  return value >= 0 && value <= 9007199254740991.0 ? static_cast<uint64_t>(value) : UINT64_MAX;
}

uint32_t DwordArg(const Napi::CallbackInfo& info, size_t index) {
  uint32_t value = 0;
  (void)napi_get_value_uint32(info.Env(), info[index], &value);
  return value;
}

// xenLoad(folder) -> '' when Xen's libraries are loaded, else a sentence that says what is missing
Napi::Value LoadCall(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), xen::Load(info[0].ToString().Utf8Value()));
}

// xenOpen(domid) -> guest
Napi::Value OpenCall(const Napi::CallbackInfo& info) {
  const xen::Api* const api = xen::Loaded();
  if (api == nullptr) return Result(info, -ENOSYS);
  const int domain = xen::DomainArg(info, 0);
  if (domain < 0) return Result(info, -EINVAL);
  auto seat = std::make_unique<Seat>(static_cast<xen::DomId>(domain));
  const int opened = seat->guest.Open(api);
  if (opened < 0) return Result(info, opened);
  const std::lock_guard<std::mutex> hold(seats_lock);
  for (size_t at = 0; at < kMaxGuests; at++) {
    if (seats[at] != nullptr) continue;
    seats[at] = std::move(seat);
    return Result(info, static_cast<double>(at));
  }
  return Result(info, -ENOSPC);
}

// xenClose(guest) -> 0; everything is undone even where a step fails, whose error is the result
Napi::Value CloseCall(const Napi::CallbackInfo& info) {
  Seat* const seat = SeatArg(info, 0);
  if (seat == nullptr) return Result(info, -EBADF);
  if (seat->ep >= 0) SetReadyHook(seat->ep, seat->id, nullptr, nullptr);
  const int closed = seat->guest.Close();
  const std::lock_guard<std::mutex> hold(seats_lock);
  seats[static_cast<size_t>(WholeArg(info, 0, 0, kMaxGuests - 1))].reset();
  return Result(info, closed);
}

template <typename F>
Napi::Value With(const Napi::CallbackInfo& info, F call) {
  Seat* const seat = SeatArg(info, 0);
  return Result(info, seat == nullptr ? -EBADF : call(*seat));
}

// xenRestricted(guest) -> 1 when the guest's handles can reach no other domain
Napi::Value RestrictedCall(const Napi::CallbackInfo& info) {
  return With(info, [](Seat& s) { return s.guest.restricted() ? 1 : 0; });
}

// xenCreateServer(guest) -> number of the new ioreq server
Napi::Value CreateServerCall(const Napi::CallbackInfo& info) {
  return With(info, [](Seat& s) { return s.guest.CreateServer(); });
}

// xenDestroyServer(domid, server) -> 0; for one that somebody else left behind
Napi::Value DestroyServerCall(const Napi::CallbackInfo& info) {
  const xen::Api* const api = xen::Loaded();
  if (api == nullptr) return Result(info, -ENOSYS);
  const int domain = xen::DomainArg(info, 0);
  const int server = WholeArg(info, 1, 0, UINT16_MAX);
  if (domain < 0 || server < 0) return Result(info, -EINVAL);
  errno = 0;
  xen::DeviceModel* const model = api->xendevicemodel_open(nullptr, 0);
  if (model == nullptr) return ResultOf(info, -1);
  const int answer = api->xendevicemodel_destroy_ioreq_server(model, static_cast<xen::DomId>(domain),
                                                              static_cast<uint16_t>(server));
  const int result = answer < 0 ? -errno : 0;
  (void)api->xendevicemodel_close(model);
  return Result(info, result);
}

// xenMapRequests(guest) -> 0
Napi::Value MapRequestsCall(const Napi::CallbackInfo& info) {
  return With(info, [](Seat& s) { return s.guest.MapRequests(); });
}

// xenClaimPci(guest, device, function) -> 0; configuration accesses to that function of bus 0 come here
Napi::Value ClaimPciCall(const Napi::CallbackInfo& info) {
  return With(info, [&](Seat& s) {
    return s.guest.ClaimPci(static_cast<uint8_t>(IntArg(info, 1)), static_cast<uint8_t>(IntArg(info, 2)));
  });
}

// xenSetRange(guest, add, memory, start, bytes) -> 0; accesses to these addresses (or ports) come here, or no longer
Napi::Value SetRangeCall(const Napi::CallbackInfo& info) {
  return With(info, [&](Seat& s) {
    const uint64_t start = WordArg(info, 3);
    const uint64_t bytes = WordArg(info, 4);
    if (start == UINT64_MAX || bytes == UINT64_MAX || bytes == 0) return -EINVAL;
    return s.guest.SetRange(info[1].ToBoolean(), info[2].ToBoolean(), start, bytes);
  });
}

// xenEnable(guest) -> 0
Napi::Value EnableCall(const Napi::CallbackInfo& info) {
  return With(info, [](Seat& s) { return s.guest.SetEnabled(true); });
}

// xenVcpus(guest) -> vCPUs that the domain has
Napi::Value VcpusCall(const Napi::CallbackInfo& info) {
  return With(info, [](Seat& s) { return s.guest.Vcpus(); });
}

// xenBind(guest, vcpu) -> local port of its event channel
Napi::Value BindCall(const Napi::CallbackInfo& info) {
  return With(info, [&](Seat& s) { return s.guest.Bind(WholeArg(info, 1, 0, xen::kMaxVcpus - 1)); });
}

// xenFd(guest) -> descriptor that is readable when events are pending; it stays the guest's
Napi::Value FdCall(const Napi::CallbackInfo& info) {
  return With(info, [](Seat& s) { return s.guest.Fd(); });
}

// xenServe(guest, ep, id) -> 0; from now on epollWait answers plain reads of this guest by itself, whose descriptor is
// registered there as `id`
Napi::Value ServeCall(const Napi::CallbackInfo& info) {
  return With(info, [&](Seat& s) {
    s.ep = IntArg(info, 1);
    s.id = IntArg(info, 2);
    SetReadyHook(s.ep, s.id, [](void* guest) { return static_cast<Guest*>(guest)->Pump() != 0; }, &s.guest);
    return 0;
  });
}

// xenPlain(guest, base, bank: Uint32Array, plain: Uint8Array) -> 0; a negative base: there are none (any more)
//
// Safety: both arrays are kept from collection until the next call; neither is ever resized by its owner.
Napi::Value PlainCall(const Napi::CallbackInfo& info) {
  return With(info, [&](Seat& s) {
    const double base = NumberArg(info, 1);
    const View bank = ViewArg(info, 2);
    const View plain = ViewArg(info, 3);
    if (!(base >= 0) || bank.bytes == 0) {
      s.guest.SetPlain(xen::PlainRegisters());
      s.bank.Reset();
      s.plain.Reset();
      return 0;
    }
    if (bank.bytes != plain.length * sizeof(uint32_t)) return -EINVAL;
    s.bank = Napi::Persistent(Napi::Value(info[2]));
    s.plain = Napi::Persistent(Napi::Value(info[3]));
    s.guest.SetPlain({reinterpret_cast<const uint32_t*>(bank.data), plain.data, plain.length, WordArg(info, 1)});
    return 0;
  });
}

// xenPump(guest) -> 1 when requests wait for xenNext, 0 when none does
Napi::Value PumpCall(const Napi::CallbackInfo& info) {
  return With(info, [](Seat& s) { return s.guest.Pump(); });
}

// xenNext(guest, into: Uint32Array[8]) -> vCPU whose request is in `into`, -1 when none waits
//   [address low, high, data low, high, count, size, flags (0x10 data is a pointer, 0x20 read, 0x40 downwards), type]
Napi::Value NextCall(const Napi::CallbackInfo& info) {
  Seat* const seat = SeatArg(info, 0);
  const View into = ViewArg(info, 1);
  if (seat == nullptr || into.bytes < 8 * sizeof(uint32_t)) return Result(info, -EBADF);
  Request request;
  const int vcpu = seat->guest.Next(&request);
  if (vcpu < 0) return Result(info, -1);
  uint32_t* const out = reinterpret_cast<uint32_t*>(into.data);
  out[0] = static_cast<uint32_t>(request.address);
  out[1] = static_cast<uint32_t>(request.address >> 32);
  out[2] = static_cast<uint32_t>(request.data);
  out[3] = static_cast<uint32_t>(request.data >> 32);
  out[4] = request.count;
  out[5] = request.size;
  out[6] = request.state & 0xf0u;
  out[7] = request.type;
  return Result(info, vcpu);
}

// xenAnswer(guest, vcpu, lo, hi) -> 0; the vCPU goes on
Napi::Value AnswerCall(const Napi::CallbackInfo& info) {
  return With(info, [&](Seat& s) {
    const uint64_t data = static_cast<uint64_t>(DwordArg(info, 3)) << 32 | DwordArg(info, 2);
    return s.guest.Answer(WholeArg(info, 1, 0, xen::kMaxVcpus - 1), data);
  });
}

// xenCounts(guest, into: Float64Array[3]) -> 0; requests, plain reads among them, stray events
Napi::Value CountsCall(const Napi::CallbackInfo& info) {
  return With(info, [&](Seat& s) {
    const View into = ViewArg(info, 1);
    if (into.bytes < 3 * sizeof(double)) return -EINVAL;
    double* const out = reinterpret_cast<double*>(into.data);
    out[0] = s.guest.requests;
    out[1] = s.guest.plain_reads;
    out[2] = s.guest.stray;
    return 0;
  });
}

// xenMsi(guest, address, data) -> 0
Napi::Value MsiCall(const Napi::CallbackInfo& info) {
  return With(info, [&](Seat& s) { return s.guest.InjectMsi(WordArg(info, 1), DwordArg(info, 2)); });
}

// xenIntx(guest, device, asserted) -> 0; pin A of that device on bus 0
Napi::Value IntxCall(const Napi::CallbackInfo& info) {
  return With(info, [&](Seat& s) { return s.guest.SetIntx(static_cast<uint8_t>(IntArg(info, 1)), info[2].ToBoolean()); });
}

// xenMapMemType(guest, type, flags) -> 0
Napi::Value MapMemTypeCall(const Napi::CallbackInfo& info) {
  return With(info, [&](Seat& s) {
    return s.guest.MapMemType(static_cast<uint16_t>(IntArg(info, 1)), DwordArg(info, 2));
  });
}

// xenSetMemType(guest, type, first, count) -> 0
Napi::Value SetMemTypeCall(const Napi::CallbackInfo& info) {
  return With(info, [&](Seat& s) { return s.guest.SetMemType(IntArg(info, 1), WordArg(info, 2), DwordArg(info, 3)); });
}

}  // namespace

namespace xen {

Guest* GuestArg(const Napi::CallbackInfo& info, size_t index) {
  Seat* const seat = SeatArg(info, index);
  return seat == nullptr ? nullptr : &seat->guest;
}

}  // namespace xen

void RegisterXen(Napi::Env env, Napi::Object exports) {
  Export<LoadCall>(env, exports, "xenLoad");
  Export<OpenCall>(env, exports, "xenOpen");
  Export<CloseCall>(env, exports, "xenClose");
  Export<RestrictedCall>(env, exports, "xenRestricted");
  Export<CreateServerCall>(env, exports, "xenCreateServer");
  Export<DestroyServerCall>(env, exports, "xenDestroyServer");
  Export<MapRequestsCall>(env, exports, "xenMapRequests");
  Export<ClaimPciCall>(env, exports, "xenClaimPci");
  Export<SetRangeCall>(env, exports, "xenSetRange");
  Export<EnableCall>(env, exports, "xenEnable");
  Export<VcpusCall>(env, exports, "xenVcpus");
  Export<BindCall>(env, exports, "xenBind");
  Export<FdCall>(env, exports, "xenFd");
  Export<ServeCall>(env, exports, "xenServe");
  Export<PlainCall>(env, exports, "xenPlain");
  Export<PumpCall>(env, exports, "xenPump");
  Export<NextCall>(env, exports, "xenNext");
  Export<AnswerCall>(env, exports, "xenAnswer");
  Export<CountsCall>(env, exports, "xenCounts");
  Export<MsiCall>(env, exports, "xenMsi");
  Export<IntxCall>(env, exports, "xenIntx");
  Export<MapMemTypeCall>(env, exports, "xenMapMemType");
  Export<SetMemTypeCall>(env, exports, "xenSetMemType");
}

}  // namespace xengt
