// The libraries of Xen, loaded at run time: a machine without them loses nothing but Xen guests.
#include "xen_abi.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>

namespace xengt::xen {
namespace {

struct Library {
  const char* file;
  const char* package;
};

constexpr Library kToolCore = {"libxentoolcore.so.1", "libxentoolcore1"};
constexpr Library kCall = {"libxencall.so.1", "libxencall1"};
constexpr Library kDeviceModel = {"libxendevicemodel.so.1", "libxendevicemodel1"};
constexpr Library kForeignMemory = {"libxenforeignmemory.so.1", "libxenforeignmemory1"};
constexpr Library kEventChannels = {"libxenevtchn.so.1", "libxenevtchn1"};
// What others are linked with comes first, so that a missing one is named itself.
constexpr Library kLibraries[] = {kToolCore, kCall, kDeviceModel, kForeignMemory, kEventChannels};
constexpr size_t kCount = sizeof(kLibraries) / sizeof(kLibraries[0]);

std::mutex load_lock;
Api api;
bool loaded = false;
std::string message;

class Loader {
 public:
  explicit Loader(const std::string& folder) : folder_(folder) {}

  bool Open() {
    for (size_t i = 0; i < kCount; i++) {
      const std::string path = folder_.empty() ? kLibraries[i].file : folder_ + "/" + kLibraries[i].file;
      handles_[i] = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
      if (handles_[i] == nullptr) {
        const char* const why = ::dlerror();
        message = std::string(kLibraries[i].file) + " does not load: " + (why == nullptr ? "no reason given" : why) +
                  "; install Xen's libraries (Debian: apt-get install " + kLibraries[i].package + ")";
        return false;
      }
    }
    return true;
  }

  template <typename F>
  void Find(F*& function, const char* name) {
    if (!message.empty()) return;
    void* symbol = nullptr;
    const char* file = kLibraries[0].file;
    // A name begins with its library's, so only that one is asked.
    for (size_t i = 0; i < kCount && symbol == nullptr; i++) {
      const size_t length = std::strcspn(kLibraries[i].file + 3, ".");
      if (std::strncmp(name, kLibraries[i].file + 3, length) != 0) continue;
      file = kLibraries[i].file;
      symbol = ::dlsym(handles_[i], name);
    }
    if (symbol == nullptr) {
      message = std::string(file) + " has no " + name + "; Xen 4.17 or newer is needed";
      return;
    }
    static_assert(sizeof(function) == sizeof(symbol), "POSIX has functions and data of one size");
    std::memcpy(&function, &symbol, sizeof(symbol));
  }

  void Close() {
    for (void* handle : handles_) {
      if (handle != nullptr) ::dlclose(handle);
    }
  }

 private:
  std::string folder_;
  void* handles_[kCount] = {};
};

}  // namespace

std::string Load(const std::string& folder) {
  const std::lock_guard<std::mutex> hold(load_lock);
  message.clear();
  if (loaded) return message;
  Loader from(folder);
  if (from.Open()) {
#define FIND(name) from.Find(api.name, #name)
    FIND(xendevicemodel_open);
    FIND(xendevicemodel_close);
    FIND(xendevicemodel_restrict);
    FIND(xendevicemodel_create_ioreq_server);
    FIND(xendevicemodel_destroy_ioreq_server);
    FIND(xendevicemodel_set_ioreq_server_state);
    FIND(xendevicemodel_map_io_range_to_ioreq_server);
    FIND(xendevicemodel_unmap_io_range_from_ioreq_server);
    FIND(xendevicemodel_map_pcidev_to_ioreq_server);
    FIND(xendevicemodel_map_mem_type_to_ioreq_server);
    FIND(xendevicemodel_set_mem_type);
    FIND(xendevicemodel_inject_msi);
    FIND(xendevicemodel_set_pci_intx_level);
    FIND(xendevicemodel_nr_vcpus);
    FIND(xenforeignmemory_open);
    FIND(xenforeignmemory_close);
    FIND(xenforeignmemory_restrict);
    FIND(xenforeignmemory_map2);
    FIND(xenforeignmemory_map_resource);
    FIND(xenforeignmemory_unmap_resource);
    FIND(xenevtchn_open);
    FIND(xenevtchn_close);
    FIND(xenevtchn_fd);
    FIND(xenevtchn_bind_interdomain);
    FIND(xenevtchn_unbind);
    FIND(xenevtchn_pending);
    FIND(xenevtchn_unmask);
    FIND(xenevtchn_notify);
    FIND(xencall_open);
    FIND(xencall_close);
    FIND(xencall_alloc_buffer);
    FIND(xencall_free_buffer);
    FIND(xencall1);
#undef FIND
  }
  loaded = message.empty();
  if (!loaded) from.Close();
  return message;
}

const Api* Loaded() {
  const std::lock_guard<std::mutex> hold(load_lock);
  return loaded ? &api : nullptr;
}

}  // namespace xengt::xen
