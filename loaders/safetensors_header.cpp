// Header of a safetensors file. The JSON is consumed as a stream of events by a small state
// machine, so memory stays proportional to the header whatever it contains.
#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>
#include <unordered_set>

#include <nlohmann/json.hpp>

#include <qe/error.h>
#include "loaders/safetensors.h"

namespace qe {
namespace {

constexpr std::size_t kLengthBytes = 8;

// Expects { "__metadata__": {string: string}, name: {dtype, shape, data_offsets}, ... } and nothing
// else. Every unexpected event is an error that names the tensor it occurred in.
class HeaderParser final : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderParser(const std::string& file, SafetensorsHeader& out) : file_(file), out_(out) {}

  bool null() override { unexpected("null"); }
  bool boolean(bool /*value*/) override { unexpected("a boolean"); }
  bool number_integer(number_integer_t value) override { unexpected(std::to_string(value)); }
  bool number_float(number_float_t /*value*/, const string_t& text) override { unexpected(text); }
  bool binary(binary_t& /*value*/) override { unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (state_ == State::kShape) {
      if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        fail("dimension is too large", "below 2^63", std::to_string(value));
      }
      entry_.shape.push_back(static_cast<std::int64_t>(value));
    } else if (state_ == State::kOffsets && offsets_ < 2) {
      (offsets_++ == 0 ? entry_.begin : entry_.end) = value;
    } else {
      unexpected(std::to_string(value));
    }
    return true;
  }

  bool string(string_t& value) override {
    if (state_ == State::kMetadata) {
      out_.metadata.insert_or_assign(key_, std::move(value));
    } else if (state_ == State::kTensor && key_ == "dtype") {
      const auto dtype = parse_dtype(value);
      if (!dtype) fail("unknown element type", "a type of the safetensors format", value);
      entry_.dtype = *dtype;
    } else {
      unexpected("a string");
    }
    return true;
  }

  bool key(string_t& value) override {
    const bool top = state_ == State::kTop;
    if (!(top ? names_ : keys_).insert(value).second) {
      if (top) entry_.name = value;
      fail("key appears twice", "", value);
    }
    if (top) entry_.name = value;
    key_ = std::move(value);
    if (state_ == State::kTensor && key_ != "dtype" && key_ != "shape" && key_ != "data_offsets") {
      fail("unknown key", "dtype, shape and data_offsets", key_);
    }
    return true;
  }

  bool start_object(std::size_t /*size*/) override {
    if (state_ == State::kBefore) {
      state_ = State::kTop;
    } else if (state_ == State::kTop) {
      state_ = key_ == "__metadata__" ? State::kMetadata : State::kTensor;
      keys_.clear();
      entry_ = {.name = std::move(key_), .dtype = DType::kU8, .shape = {}, .begin = 0, .end = 0};
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool end_object() override {
    if (state_ == State::kTensor) {
      for (const char* key : {"dtype", "shape", "data_offsets"}) {
        if (!keys_.contains(key)) fail("key is missing", key, "");
      }
      out_.entries.push_back(std::move(entry_));
    }
    state_ = state_ == State::kTop ? State::kAfter : State::kTop;
    return true;
  }

  bool start_array(std::size_t /*size*/) override {
    if (state_ == State::kTensor && key_ == "shape") {
      state_ = State::kShape;
    } else if (state_ == State::kTensor && key_ == "data_offsets") {
      state_ = State::kOffsets;
      offsets_ = 0;
    } else {
      unexpected("an array");
    }
    return true;
  }

  bool end_array() override {
    if (state_ == State::kOffsets && offsets_ != 2) {
      fail("wrong number of data offsets", "2", std::to_string(offsets_));
    }
    state_ = State::kTensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    throw LoadError({.problem = "header is not valid JSON",
                     .file = file_,
                     .name = "byte " + std::to_string(kLengthBytes + position)});
  }

 private:
  enum class State { kBefore, kTop, kMetadata, kTensor, kShape, kOffsets, kAfter };

  [[noreturn]] void fail(std::string problem, std::string expected, std::string actual) const {
    throw LoadError({.problem = std::move(problem),
                     .file = file_,
                     .name = entry_.name,
                     .expected = std::move(expected),
                     .actual = std::move(actual)});
  }

  [[noreturn]] void unexpected(std::string actual) const {
    const char* expected = "";
    switch (state_) {
      case State::kBefore:
      case State::kAfter:
        expected = "one JSON object";
        break;
      case State::kTop:
        expected = "an object with dtype, shape and data_offsets";
        break;
      case State::kMetadata:
        expected = "a string";
        break;
      case State::kTensor:
        expected = key_ == "dtype" ? "a string" : "an array of unsigned integers";
        break;
      case State::kShape:
        expected = "an unsigned integer";
        break;
      case State::kOffsets:
        expected = "two unsigned integers";
        break;
    }
    fail("header has a value of the wrong kind", expected, std::move(actual));
  }

  const std::string& file_;
  SafetensorsHeader& out_;
  State state_ = State::kBefore;
  std::string key_;
  int offsets_ = 0;
  SafetensorsEntry entry_{};
  std::unordered_set<std::string> names_, keys_;
};

// Bytes of a tensor, or nothing on overflow or a part of a byte.
std::optional<std::uint64_t> byte_count(const SafetensorsEntry& entry) {
  std::int64_t count = 1;
  for (const std::int64_t dim : entry.shape) {
    if (__builtin_mul_overflow(count, dim, &count)) return std::nullopt;
  }
  std::uint64_t bits = 0;
  if (__builtin_mul_overflow(static_cast<std::uint64_t>(count),
                             static_cast<std::uint64_t>(bit_width(entry.dtype)), &bits)) {
    return std::nullopt;
  }
  if (bits % 8 != 0) return std::nullopt;
  return bits / 8;
}

std::string range(std::uint64_t begin, std::uint64_t end) {
  std::string text = "[";
  return text.append(std::to_string(begin)).append(", ").append(std::to_string(end)).append(")");
}

// Offsets must cover the buffer from 0 to its end, each byte once.
void check_layout(const SafetensorsHeader& header, std::uint64_t buffer, const std::string& file) {
  std::uint64_t position = 0;
  for (const SafetensorsEntry& entry : header.entries) {
    const auto fail = [&](const char* problem, std::string expected) {
      throw LoadError({.problem = problem,
                       .file = file,
                       .name = entry.name,
                       .expected = std::move(expected),
                       .actual = range(entry.begin, entry.end)});
    };
    if (entry.begin > entry.end) fail("data offsets run backwards", "begin <= end");
    if (entry.end > buffer) {
      fail("data lies beyond the end of the file", "within " + range(0, buffer));
    }
    if (entry.begin < position) fail("data overlaps another tensor", std::to_string(position));
    if (entry.begin > position) fail("hole before the data", std::to_string(position));
    const auto bytes = byte_count(entry);
    const std::string kind = std::string(name(entry.dtype)) + " " + to_string(entry.shape);
    if (!bytes) fail("size overflows or is no whole number of bytes", kind);
    if (*bytes != entry.end - entry.begin) {
      fail("data offsets do not match dtype and shape",
           kind + " = " + std::to_string(*bytes) + " bytes");
    }
    position = entry.end;
  }
  if (position != buffer) {
    throw LoadError({.problem = "bytes after the last tensor",
                     .file = file,
                     .expected = std::to_string(position) + " bytes of data",
                     .actual = std::to_string(buffer)});
  }
}

// Length of the JSON text, checked against the file.
std::size_t header_length(std::span<const std::byte> bytes, const std::string& file) {
  if (bytes.size() < kLengthBytes) {
    throw LoadError({.problem = "file is too short for a safetensors header",
                     .file = file,
                     .expected = "at least 8 bytes",
                     .actual = std::to_string(bytes.size())});
  }
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  const std::uint64_t limit =
      std::min<std::uint64_t>(kMaxSafetensorsHeader, bytes.size() - kLengthBytes);
  if (length > limit) {
    throw LoadError({.problem = "header length is not possible",
                     .file = file,
                     .expected = "at most " + std::to_string(limit) + " bytes",
                     .actual = std::to_string(length)});
  }
  if (length == 0 || bytes[kLengthBytes] != std::byte{'{'}) {
    throw LoadError({.problem = "header does not begin with '{'", .file = file});
  }
  // The tokenizer takes a NUL for the end of its input and would ignore the rest.
  if (std::memchr(bytes.data() + kLengthBytes, 0, length) != nullptr) {
    throw LoadError({.problem = "header contains a NUL byte", .file = file});
  }
  return static_cast<std::size_t>(length);
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::span<const std::byte> bytes,
                                           const std::string& file) {
  const std::size_t length = header_length(bytes, file);
  SafetensorsHeader header{.entries = {}, .metadata = {}, .data_start = kLengthBytes + length};
  HeaderParser parser(file, header);
  const char* text = reinterpret_cast<const char*>(bytes.data()) + kLengthBytes;
  nlohmann::json::sax_parse(text, text + length, &parser);
  std::sort(header.entries.begin(), header.entries.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  check_layout(header, bytes.size() - header.data_start, file);
  return header;
}

}  // namespace qe
