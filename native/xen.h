// Guests of Xen by number, as JavaScript holds them.
#pragma once

#include "addon.h"
#include "xen_guest.h"

namespace xengt::xen {

// A domain's number, or -1. From 0x7ff0 on the numbers mean something else (xen.h, DOMID_FIRST_RESERVED).
inline int DomainArg(const Napi::CallbackInfo& info, size_t index) { return WholeArg(info, index, 0, 0x7fef); }

// The guest that argument `index` names, or null.
Guest* GuestArg(const Napi::CallbackInfo& info, size_t index);

}  // namespace xengt::xen
