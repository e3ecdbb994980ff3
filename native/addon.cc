#include "addon.h"

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  xengt::RegisterSocket(env, exports);
  xengt::RegisterMemory(env, exports);
  xengt::RegisterEventfd(env, exports);
  xengt::RegisterWaiter(env, exports);
  xengt::RegisterFuse(env, exports);
  xengt::RegisterXen(env, exports);
  xengt::RegisterXenMemory(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(xengt, Init)
