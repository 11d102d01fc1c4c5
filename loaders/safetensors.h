// The safetensors format: a length, a JSON header and one buffer of densely packed tensors. Reading
// checks every rule of the format before a tensor is handed out and never executes or follows
// anything. Specification: https://github.com/huggingface/safetensors (README, "Format").
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <qe/tensor.h>

namespace qe {

inline constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;

using TensorMap = std::map<std::string, Tensor, std::less<>>;
using MetadataMap = std::map<std::string, std::string, std::less<>>;

struct SafetensorsEntry {
  std::string name;
  DType dtype;
  Shape shape;
  std::uint64_t begin, end;  // bytes in the buffer
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // by position in the buffer
  MetadataMap metadata;
  std::size_t data_start;  // of the buffer, in the file
};

// Parses and checks the header of a whole file: lengths, JSON without repeated keys, known dtypes,
// shapes whose bytes match the offsets, offsets that cover the buffer without hole or overlap.
// `file` names it in messages. Throws LoadError.
SafetensorsHeader parse_safetensors_header(std::span<const std::byte> bytes,
                                           const std::string& file);

struct SafetensorsFile {
  TensorMap tensors;
  MetadataMap metadata;
};

// Tensors as views of `bytes`, which `owner` keeps alive; only a tensor that is not aligned for its
// element type is copied. Throws LoadError.
SafetensorsFile view_safetensors(std::span<const std::byte> bytes,
                                 const std::shared_ptr<const TensorStorage>& owner,
                                 const std::string& file);

// Opens and views a file, mapped unless use_mmap is false. Throws LoadError, IoError,
// ResourceError.
SafetensorsFile read_safetensors(const std::filesystem::path& file, bool use_mmap = true);

// Writes a file that is complete or absent (a sibling temporary file, synchronized and renamed), so
// that the tensors may be views of the very file being replaced. Tensors lie by falling element
// width, then by name, which aligns all of them: equal maps give equal bytes. Pages of mapped
// tensors are given back as they are written. Throws IoError; UsageError for tensors whose bytes do
// not match their shape, and for the reserved name "__metadata__".
void write_safetensors(const std::filesystem::path& file, const TensorMap& tensors,
                       const MetadataMap& metadata = {});

}  // namespace qe
