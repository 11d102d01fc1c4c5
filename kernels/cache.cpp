// Cache sizes from the C library, which reads them from the CPU.
#include "kernels/cache.h"

#include <unistd.h>

namespace qe::kernels {

std::size_t l2_cache_bytes() noexcept {
  static const std::size_t bytes = [] {
    constexpr long kFallback = 512 * 1024;
    const long reported = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return static_cast<std::size_t>(reported > 0 ? reported : kFallback);
  }();
  return bytes;
}

}  // namespace qe::kernels
