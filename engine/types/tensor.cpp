// Shapes, typed access to tensor bytes and widening to float.
#include <qe/tensor.h>

#include <bit>
#include <cstring>
#include <limits>

#include <qe/error.h>

namespace qe {
namespace {

template <typename T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::kF32;
}
template <>
constexpr DType dtype_of<std::int8_t>() {
  return DType::kI8;
}
template <>
constexpr DType dtype_of<std::uint8_t>() {
  return DType::kU8;
}
template <>
constexpr DType dtype_of<std::uint16_t>() {
  return DType::kU16;
}
template <>
constexpr DType dtype_of<std::int32_t>() {
  return DType::kI32;
}
template <>
constexpr DType dtype_of<std::int64_t>() {
  return DType::kI64;
}

template <typename T>
struct VectorStorage final : TensorStorage {
  explicit VectorStorage(std::vector<T> v) : values(std::move(v)) {}
  const std::vector<T> values;
};

float half_to_float(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t exponent = (bits >> 10) & 31u;
  const std::uint32_t mantissa = bits & 0x3ffu;
  if (exponent == 0) {  // zero and subnormals: mantissa * 2^-24, exact in float
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t wide = exponent == 31 ? 255u : exponent + 112u;
  return std::bit_cast<float>(sign | (wide << 23) | (mantissa << 13));
}

float bfloat_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// Calls visit(element as float, index) for `count` elements from `first`. False if the type has no
// conversion.
template <typename Visit>
bool for_each_float(const Tensor& tensor, std::int64_t first, std::int64_t count,
                    const Visit& visit) {
  const auto scan = [&]<typename T>(T, const auto& convert) {
    const std::byte* source = tensor.bytes.data() + static_cast<std::size_t>(first) * sizeof(T);
    for (std::int64_t i = 0; i < count; ++i, source += sizeof(T)) {
      T element;
      std::memcpy(&element, source, sizeof(T));
      visit(convert(element), static_cast<std::size_t>(i));
    }
    return true;
  };
  const auto cast = [](auto x) { return static_cast<float>(x); };
  switch (tensor.dtype) {
    case DType::kF32:
      return scan(float{}, cast);
    case DType::kF64:
      return scan(double{}, cast);
    case DType::kF16:
      return scan(std::uint16_t{}, half_to_float);
    case DType::kBF16:
      return scan(std::uint16_t{}, bfloat_to_float);
    case DType::kI8:
      return scan(std::int8_t{}, cast);
    case DType::kU8:
      return scan(std::uint8_t{}, cast);
    case DType::kI16:
      return scan(std::int16_t{}, cast);
    case DType::kU16:
      return scan(std::uint16_t{}, cast);
    case DType::kI32:
      return scan(std::int32_t{}, cast);
    default:
      return false;
  }
}

}  // namespace

void TensorStorage::release(std::span<const std::byte> /*bytes*/) const noexcept {}

void release_pages(const Tensor& tensor) noexcept {
  if (tensor.owner) tensor.owner->release(tensor.bytes);
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

std::int64_t element_count(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t dim : shape) {
    if (dim < 0) {
      throw GraphError({.problem = "negative dimension", .actual = to_string(shape)});
    }
    if (__builtin_mul_overflow(count, dim, &count)) {
      throw GraphError({.problem = "element count overflows", .actual = to_string(shape)});
    }
  }
  return count;
}

template <typename T>
std::span<const T> Tensor::data() const {
  if (dtype != dtype_of<T>()) {
    throw GraphError({.problem = "tensor read as the wrong type",
                      .expected = std::string(name(dtype_of<T>())),
                      .actual = std::string(name(dtype))});
  }
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

template <typename T>
Tensor make_tensor(Shape shape, std::vector<T> values) {
  if (element_count(shape) != static_cast<std::int64_t>(values.size())) {
    throw GraphError({.problem = "value count does not match the shape",
                      .expected = to_string(shape),
                      .actual = std::to_string(values.size()) + " values"});
  }
  auto owner = std::make_shared<const VectorStorage<T>>(std::move(values));
  const auto bytes = std::as_bytes(std::span(owner->values));
  return {dtype_of<T>(), std::move(shape), bytes, std::move(owner)};
}

template std::span<const float> Tensor::data() const;
template std::span<const std::int8_t> Tensor::data() const;
template std::span<const std::uint8_t> Tensor::data() const;
template std::span<const std::uint16_t> Tensor::data() const;
template std::span<const std::int32_t> Tensor::data() const;
template std::span<const std::int64_t> Tensor::data() const;
template Tensor make_tensor(Shape, std::vector<float>);
template Tensor make_tensor(Shape, std::vector<std::int8_t>);
template Tensor make_tensor(Shape, std::vector<std::uint8_t>);
template Tensor make_tensor(Shape, std::vector<std::uint16_t>);
template Tensor make_tensor(Shape, std::vector<std::int32_t>);
template Tensor make_tensor(Shape, std::vector<std::int64_t>);

std::vector<float> to_float(const Tensor& tensor, const std::string& what) {
  std::vector<float> out(static_cast<std::size_t>(tensor.size()));
  const bool converted =
      for_each_float(tensor, 0, tensor.size(), [&](float value, std::size_t i) { out[i] = value; });
  if (!converted) {
    throw UnsupportedError({.problem = "no conversion to float for this element type",
                            .name = what,
                            .expected = "F16, BF16, F32, F64 or integers up to 32 bits",
                            .actual = std::string(name(tensor.dtype))});
  }
  return out;
}

void add_row_to(const Tensor& tensor, std::int64_t row, float scale,
                std::span<float> out) noexcept {
  const auto width = static_cast<std::int64_t>(out.size());
  for_each_float(tensor, row * width, width,
                 [&](float value, std::size_t i) { out[i] += scale * value; });
}

}  // namespace qe
