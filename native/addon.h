// The native addon: what Node cannot do by itself and the mediator needs. Descriptors over UNIX sockets, shared memory of
// guests, event descriptors, one blocking wait over all of them, and a file system of our own. No policy: every function is
// one operation, answers with a number (a result, or a negative errno) and leaves the decision to TypeScript.
//
// State: the only state shared between threads is the table of mappings (memory.cc). Everything else belongs to the
// descriptors, so the addon can be loaded in any number of worker threads at once.
#pragma once

#include <napi.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace xengt {

void RegisterSocket(Napi::Env env, Napi::Object exports);
void RegisterMemory(Napi::Env env, Napi::Object exports);
void RegisterEventfd(Napi::Env env, Napi::Object exports);
void RegisterWaiter(Napi::Env env, Napi::Object exports);
void RegisterFuse(Napi::Env env, Napi::Object exports);
void RegisterXen(Napi::Env env, Napi::Object exports);
void RegisterXenMemory(Napi::Env env, Napi::Object exports);

// Work that needs no JavaScript, done within epollWait: called on the waiting thread when descriptor `id` of `ep` is ready.
// true: there is more to do, and JavaScript is told that the descriptor is ready. A null hook takes it away again.
using ReadyHook = bool (*)(void* context);
void SetReadyHook(int ep, int id, ReadyHook hook, void* context);

// Bytes [offset, offset + bytes) of an arena (memory.cc) argument, both page-aligned; null where that is no part of one, or
// of one that was let go.
uint8_t* ArenaRange(const Napi::CallbackInfo& info, size_t index, double offset, double bytes);
// Puts zero pages over a part of an arena. @returns 0 or -errno
int ClearArena(uint8_t* at, size_t bytes);
// Zero pages where a part of an arena has become a hole. Should somebody else have mapped something there meanwhile, the
// arena's addresses are never given back.
int MendArena(uint8_t* at, size_t bytes);

inline Napi::Value Result(const Napi::CallbackInfo& info, double value) {
  return Napi::Number::New(info.Env(), value);
}

// What a system call returned: its value, or -errno where it failed.
inline Napi::Value ResultOf(const Napi::CallbackInfo& info, long value) {
  return Result(info, value < 0 ? -errno : value);
}

inline int IntArg(const Napi::CallbackInfo& info, size_t index) {
  int32_t value = -1;
  // Left at -1 (no descriptor has that number) when the argument is not a number.
  (void)napi_get_value_int32(info.Env(), info[index], &value);
  return value;
}

inline double NumberArg(const Napi::CallbackInfo& info, size_t index);

// A whole number of `least` to `most`, exactly; -1 for anything else.
inline int WholeArg(const Napi::CallbackInfo& info, size_t index, int least, int most) {
  const double value = NumberArg(info, index);
  return value >= least && value <= most && value == static_cast<int>(value) ? static_cast<int>(value) : -1;
}

inline double NumberArg(const Napi::CallbackInfo& info, size_t index) {
  double value = -1;
  (void)napi_get_value_double(info.Env(), info[index], &value);
  return value;
}

// Memory behind a typed array argument. `bytes` is 0 when the argument is not a typed array, so that every bounds check
// against it fails and nothing is read or written through `data`.
struct View {
  uint8_t* data = nullptr;
  size_t bytes = 0;
  size_t length = 0;
};

inline View ViewArg(const Napi::CallbackInfo& info, size_t index) {
  View view;
  bool typed = false;
  if (napi_is_typedarray(info.Env(), info[index], &typed) != napi_ok || !typed) return view;
  napi_typedarray_type type;
  void* data = nullptr;
  size_t length = 0;
  if (napi_get_typedarray_info(info.Env(), info[index], &type, &length, &data, nullptr, nullptr) != napi_ok) return view;
  static constexpr size_t kWidth[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
  view.data = static_cast<uint8_t*>(data);
  view.length = length;
  view.bytes = length * kWidth[type];
  return view;
}

template <Napi::Value (*Call)(const Napi::CallbackInfo&)>
void Export(Napi::Env env, Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<Call>(env, name));
}

}  // namespace xengt
