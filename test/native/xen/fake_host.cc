// The host behind all five libraries of one process.
#include "fake_xen.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace fake {

namespace {

Host Make() {
  const char* const file = ::getenv("XENGT_FAKE_XEN");
  const int fd = file == nullptr ? ::memfd_create("fake-xen", 0) : ::open(file, O_RDWR);
  if (fd < 0 || (file == nullptr && ::ftruncate(fd, kBytes) < 0)) {
    std::perror("fake xen");
    std::abort();
  }
  void* const at = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) {
    std::perror("fake xen");
    std::abort();
  }
  return {static_cast<uint8_t*>(at), fd};
}

}  // namespace

extern "C" Host* fake_host() {
  static Host host = Make();
  return &host;
}

}  // namespace fake
