// What the matrix products must know about the machine's caches.
#pragma once

#include <cstddef>

namespace qe::kernels {

// Bytes of the second-level cache of one core; a small common size where the system does not say.
// Asks the system once.
std::size_t l2_cache_bytes() noexcept;

}  // namespace qe::kernels
