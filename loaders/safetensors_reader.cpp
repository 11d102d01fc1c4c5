// Tensors of a safetensors file as views of its mapping.
#include <cstring>

#include "loaders/file.h"
#include "loaders/safetensors.h"

namespace qe {
namespace {

// A copy of bytes that are not aligned for their element type: vectors of 8-byte words are.
class AlignedCopy final : public TensorStorage {
 public:
  explicit AlignedCopy(std::span<const std::byte> source)
      : words_((source.size() + 7) / 8), size_(source.size()) {
    std::memcpy(words_.data(), source.data(), source.size());
  }
  std::span<const std::byte> bytes() const { return std::as_bytes(std::span(words_)).first(size_); }

 private:
  std::vector<std::uint64_t> words_;
  std::size_t size_;
};

bool is_aligned(std::span<const std::byte> bytes, DType dtype) {
  const auto width = static_cast<std::uintptr_t>(bit_width(dtype)) / 8;
  return width <= 1 || reinterpret_cast<std::uintptr_t>(bytes.data()) % width == 0;
}

}  // namespace

SafetensorsFile view_safetensors(std::span<const std::byte> bytes,
                                 const std::shared_ptr<const TensorStorage>& owner,
                                 const std::string& file) {
  SafetensorsHeader header = parse_safetensors_header(bytes, file);
  const std::span<const std::byte> buffer = bytes.subspan(header.data_start);
  SafetensorsFile out{.tensors = {}, .metadata = std::move(header.metadata)};
  for (SafetensorsEntry& entry : header.entries) {
    Tensor tensor{.dtype = entry.dtype,
                  .shape = std::move(entry.shape),
                  .bytes = buffer.subspan(static_cast<std::size_t>(entry.begin),
                                          static_cast<std::size_t>(entry.end - entry.begin)),
                  .owner = owner};
    if (tensor.bytes.empty()) {
      tensor.bytes = {};  // whatever its position, aligned for every type
    } else if (!is_aligned(tensor.bytes, tensor.dtype)) {
      auto copy = std::make_shared<const AlignedCopy>(tensor.bytes);
      tensor.bytes = copy->bytes();
      tensor.owner = std::move(copy);
    }
    out.tensors.emplace(std::move(entry.name), std::move(tensor));
  }
  return out;
}

SafetensorsFile read_safetensors(const std::filesystem::path& file, bool use_mmap) {
  const auto image = FileImage::open(file, use_mmap);
  return view_safetensors(image->bytes(), image, file.string());
}

}  // namespace qe
