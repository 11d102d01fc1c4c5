// Tensor: typed, shaped, read-only bytes that stay alive with whoever owns them (a mapped file or a
// buffer). Row-major, densely packed, little-endian. Copying a Tensor copies the reference.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <qe/dtype.h>

namespace qe {

using Shape = std::vector<std::int64_t>;

// "[2, 3]".
std::string to_string(const Shape& shape);

// Product of the dimensions. Throws GraphError on a negative dimension or overflow of int64.
std::int64_t element_count(const Shape& shape);

// Whoever holds a tensor's bytes: a vector, a mapped file.
class TensorStorage {
 public:
  TensorStorage() = default;
  TensorStorage(const TensorStorage&) = delete;
  TensorStorage& operator=(const TensorStorage&) = delete;
  virtual ~TensorStorage() = default;

  // A hint that `bytes`, a part of this storage, will not be read again soon. They stay readable
  // and unchanged; a mapped file gives the physical pages back. Callable from several threads.
  virtual void release(std::span<const std::byte> bytes) const noexcept;
};

struct Tensor {
  DType dtype = DType::kF32;
  Shape shape;
  std::span<const std::byte> bytes;  // exactly element_count * bit_width / 8 bytes
  // Keeps `bytes` valid: many tensors share one mapped file, hence shared ownership.
  std::shared_ptr<const TensorStorage> owner;

  std::int64_t size() const { return element_count(shape); }

  // The elements as T; throws GraphError if `dtype` is not T's type. `bytes` may be unaligned in a
  // hostile file: loaders copy such tensors, so data() is always aligned for T.
  template <typename T>
  std::span<const T> data() const;
};

// Owning tensors from vectors (float, int8_t, uint8_t, int32_t, int64_t).
template <typename T>
Tensor make_tensor(Shape shape, std::vector<T> values);

// To be called once a tensor was packed, converted or written: see TensorStorage::release. Does
// nothing for a tensor without an owner.
void release_pages(const Tensor& tensor) noexcept;

// All elements as float. Accepts F16, BF16, F32, F64 and the integer types up to 32 bits.
// Throws UnsupportedError naming `what` for any other dtype.
std::vector<float> to_float(const Tensor& tensor, const std::string& what);

// out[i] += scale * row[i] for row `row` of a [rows, out.size()] tensor of a type that to_float
// accepts; other types add nothing. The caller has checked the row number.
void add_row_to(const Tensor& tensor, std::int64_t row, float scale, std::span<float> out) noexcept;

}  // namespace qe
