// XXH64 of mapped files; pages are given back on the way, so memory stays small.
#include "loaders/file_hash.h"

#include <algorithm>
#include <cstdint>
#include <memory>

#define XXH_INLINE_ALL  // the library's switch for header-only use
#include <xxhash.h>

#include "loaders/file.h"

namespace qe {

std::string hash_file(const std::filesystem::path& file) {
  constexpr std::size_t kChunk = std::size_t{16} << 20;
  constexpr std::string_view kDigits = "0123456789abcdef";
  const auto image = FileImage::open(file, /*use_mmap=*/true);
  XXH64_state_t state;
  XXH64_reset(&state, 0);
  for (auto rest = image->bytes(); !rest.empty();) {
    const auto chunk = rest.first(std::min(kChunk, rest.size()));
    XXH64_update(&state, chunk.data(), chunk.size());
    image->release(chunk);
    rest = rest.subspan(chunk.size());
  }
  const std::uint64_t hash = XXH64_digest(&state);
  std::string text = "xxh64:";
  for (int shift = 60; shift >= 0; shift -= 4) text += kDigits[(hash >> shift) & 15];
  return text;
}

}  // namespace qe
