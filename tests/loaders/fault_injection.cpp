// Replacements of system calls and of operator new that fail on demand.
#include "tests/loaders/fault_injection.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {

using qe::test::Fault;

constexpr int kNever = -1;
Fault armed = Fault::kFailure;
int calls_left = kNever;
bool struck = false;
std::size_t allocations_left = SIZE_MAX;
bool allocation_struck = false;

bool due() {
  if (calls_left == kNever || calls_left-- != 0) return false;
  struck = true;
  return true;
}

// For calls without a byte count.
bool fails() {
  if (armed != Fault::kFailure || !due()) return false;
  errno = ENOSPC;
  return true;
}

// For reads and writes: false if the call must fail; `size` may be reduced.
bool allows(std::size_t& size, int failure) {
  if ((armed == Fault::kShort && size < 2) || !due()) return true;
  if (armed == Fault::kShort) {
    size /= 2;
    return true;
  }
  errno = armed == Fault::kInterrupted ? EINTR : failure;
  return false;
}

}  // namespace

namespace qe::test {

void arm_fault(Fault fault, int k) {
  armed = fault;
  struck = false;
  calls_left = k;
}

bool disarm_fault() {
  calls_left = kNever;
  return struck;
}

void arm_allocation(std::size_t k) {
  allocation_struck = false;
  allocations_left = k;
}

bool disarm_allocation() {
  allocations_left = SIZE_MAX;
  return allocation_struck;
}

}  // namespace qe::test

extern "C" {

ssize_t write(int fd, const void* data, std::size_t size) {
  return allows(size, ENOSPC) ? ::syscall(SYS_write, fd, data, size) : -1;
}
ssize_t read(int fd, void* data, std::size_t size) {
  return allows(size, EIO) ? ::syscall(SYS_read, fd, data, size) : -1;
}
int fsync(int fd) { return fails() ? -1 : static_cast<int>(::syscall(SYS_fsync, fd)); }
int fchmod(int fd, mode_t mode) noexcept {
  return fails() ? -1 : static_cast<int>(::syscall(SYS_fchmod, fd, mode));
}
int renameat2(int from_dir, const char* from, int to_dir, const char* to,
              unsigned int flags) noexcept {
  return fails() ? -1
                 : static_cast<int>(::syscall(SYS_renameat2, from_dir, from, to_dir, to, flags));
}
int rename(const char* from, const char* to) noexcept {
  return fails() ? -1 : static_cast<int>(::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}
int mkostemp(char* pattern, int flags) {
  const auto real = reinterpret_cast<int (*)(char*, int)>(::dlsym(RTLD_NEXT, "mkostemp"));
  return fails() ? -1 : real(pattern, flags);
}
char* mkdtemp(char* pattern) noexcept {
  const auto real = reinterpret_cast<char* (*)(char*)>(::dlsym(RTLD_NEXT, "mkdtemp"));
  return fails() ? nullptr : real(pattern);
}

}  // extern "C"

void* operator new(std::size_t size) {
  if (allocations_left != SIZE_MAX && allocations_left-- == 0) {
    allocations_left = SIZE_MAX;
    allocation_struck = true;
    throw std::bad_alloc();
  }
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  try {
    return operator new(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }
