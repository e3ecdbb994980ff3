// Guests of Xen by number, as JavaScript holds them.
#pragma once

#include "addon.h"
#include "xen_guest.h"

namespace xengt::xen {

// The guest that argument `index` names, or null.
Guest* GuestArg(const Napi::CallbackInfo& info, size_t index);

}  // namespace xengt::xen
