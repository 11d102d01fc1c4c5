// Anonymous mappings: zero pages cost nothing until touched, and huge pages can be asked for.
#include "engine/runtime/aligned_buffer.h"

#include <sys/mman.h>

#include <cstdint>
#include <string>

#include <qe/error.h>

namespace qe {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

AlignedBuffer::AlignedBuffer(std::size_t bytes, const char* purpose) : size_(bytes) {
  if (bytes == 0) return;
  const bool huge = bytes >= kHugePage;
  const std::size_t unit = huge ? kHugePage : kPage;
  // A mapping starts on any page: one spare huge page lets the buffer start on a huge page
  // boundary.
  const std::size_t rounded = (bytes + unit - 1) / unit * unit;
  const std::size_t mapped = rounded + (huge ? kHugePage : 0);
  void* const raw = mapped < bytes ? MAP_FAILED
                                   : ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) {
    throw ResourceError({.problem = "not enough memory",
                         .name = purpose,
                         .expected = std::to_string(bytes) + " bytes"});
  }
  auto* start = static_cast<std::byte*>(raw);
  if (huge) {
    const auto address = reinterpret_cast<std::uintptr_t>(start);
    const std::size_t head = (kHugePage - address % kHugePage) % kHugePage;
    if (head > 0) ::munmap(start, head);
    if (head < kHugePage) ::munmap(start + head + rounded, kHugePage - head);
    start += head;
    ::madvise(start, rounded, MADV_HUGEPAGE);  // advice: a refusal changes speed alone
  }
  memory_ = std::unique_ptr<std::byte, Unmap>(start, Unmap{rounded});
}

void AlignedBuffer::Unmap::operator()(std::byte* memory) const noexcept { ::munmap(memory, bytes); }

}  // namespace qe
