// Fuzz target: a whole safetensors file. What is accepted must be inside the file and have the
// bytes its shape says, aligned for its type.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <qe/error.h>

#include "loaders/safetensors.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const qe::SafetensorsFile& file) {
  std::uint64_t sum = 0;
  for (const auto& [name, tensor] : file.tensors) {
    require(tensor.size() * qe::bit_width(tensor.dtype) ==
            static_cast<std::int64_t>(tensor.bytes.size()) * 8);
    for (const std::byte byte : tensor.bytes) sum += static_cast<std::uint64_t>(byte);
    if (qe::bit_width(tensor.dtype) >= 8) {
      const auto width = static_cast<std::uintptr_t>(qe::bit_width(tensor.dtype)) / 8;
      require(reinterpret_cast<std::uintptr_t>(tensor.bytes.data()) % width == 0);
    }
  }
  require(sum != ~std::uint64_t{0});
}

}  // namespace

// The length is made right for most inputs, or the fuzzer would have to find it each time: an input
// is the rest of a file whose header ends at the first NUL, unless its first byte is 0xff.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> file(data, data + size);
  if (size > 0 && data[0] != 0xff) {
    const void* end = std::memchr(data, 0, size);
    const std::uint64_t length =
        end == nullptr ? size
                       : static_cast<std::uint64_t>(static_cast<const std::uint8_t*>(end) - data);
    file.insert(file.begin(), 8, 0);
    std::memcpy(file.data(), &length, 8);
    if (end != nullptr) file.erase(file.begin() + 8 + static_cast<std::ptrdiff_t>(length));
  } else if (size > 0) {
    file.erase(file.begin());
  }
  try {
    check(qe::view_safetensors(std::as_bytes(std::span(file)), nullptr, "fuzz"));
  } catch (const qe::LoadError&) {
  }
  return 0;
}
