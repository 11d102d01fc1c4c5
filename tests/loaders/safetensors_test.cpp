// The safetensors reader and writer: every dtype bit for bit, determinism, alignment, replacement
// of a file that is mapped, every rule of the format, and every one-byte truncation.
#include <sys/stat.h>

#include <doctest/doctest.h>

#include "loaders/file.h"
#include "loaders/safetensors.h"
#include "tests/loaders/support.h"

namespace {

using qe::test::error_of;
using qe::test::image;

TEST_CASE("every element type comes back bit for bit, mapped or read") {
  qe::test::TempDir dir;
  qe::TensorMap tensors;
  std::uint64_t seed = 7;
  for (int i = 0; i <= static_cast<int>(qe::DType::kU64); ++i) {
    const auto dtype = static_cast<qe::DType>(i);
    const std::string prefix(qe::name(dtype));
    for (const qe::Shape& shape :
         {qe::Shape{4, 3, 2}, qe::Shape{8}, qe::Shape{0}, qe::Shape{3, 0, 8}, qe::Shape{1, 24}}) {
      tensors[prefix + qe::to_string(shape)] = qe::test::random_tensor(dtype, shape, ++seed);
    }
    if (qe::bit_width(dtype) >= 8) {
      tensors[prefix + " scalar"] = qe::test::random_tensor(dtype, {}, ++seed);
      tensors[prefix + " odd"] = qe::test::random_tensor(dtype, {7, 3}, ++seed);
    }
  }
  const qe::MetadataMap metadata = {{"format", "pt"}, {"quote \" \xc3\xa9", "\n"}};
  qe::write_safetensors(dir / "x.safetensors", tensors, metadata);
  for (const bool use_mmap : {true, false}) {
    const auto file = qe::read_safetensors(dir / "x.safetensors", use_mmap);
    CHECK(file.metadata == metadata);
    REQUIRE(file.tensors.size() == tensors.size());
    for (const auto& entry : tensors) {
      const auto& [name, tensor] = entry;
      INFO(entry.first);
      const qe::Tensor& read = file.tensors.at(name);
      CHECK(qe::test::same(tensor, read));
      const auto address = reinterpret_cast<std::uintptr_t>(read.bytes.data());
      CHECK(address % std::max(1, qe::bit_width(read.dtype) / 8) == 0);
    }
  }
}

TEST_CASE("equal tensors give equal bytes, and an empty map gives a valid file") {
  qe::test::TempDir dir;
  const qe::TensorMap tensors = {{"b", qe::test::random_tensor(qe::DType::kI8, {3}, 1)},
                                 {"a", qe::test::random_tensor(qe::DType::kF32, {2}, 2)}};
  qe::write_safetensors(dir / "1", tensors);
  qe::write_safetensors(dir / "2", qe::read_safetensors(dir / "1").tensors);
  CHECK(qe::test::read_file(dir / "1") == qe::test::read_file(dir / "2"));
  qe::write_safetensors(dir / "3", {});
  CHECK(qe::read_safetensors(dir / "3").tensors.empty());
}

TEST_CASE("a mapped file can be replaced, and its pages given back, while it is in use") {
  qe::test::TempDir dir;
  const auto tensor = qe::test::random_tensor(qe::DType::kF32, {100, 1000}, 3);
  qe::write_safetensors(dir / "x", {{"w", tensor}});
  auto read = qe::read_safetensors(dir / "x");
  qe::release_pages(read.tensors.at("w"));
  CHECK(qe::test::same(read.tensors.at("w"), tensor));
  const qe::Tensor view = read.tensors.at("w");
  read.tensors["v"] = qe::test::random_tensor(qe::DType::kI8, {5}, 4);
  qe::write_safetensors(dir / "x", read.tensors);
  CHECK(qe::test::same(view, tensor));
  CHECK(qe::test::same(qe::read_safetensors(dir / "x").tensors.at("w"), tensor));
  qe::release_pages(tensor);  // a vector: nothing to give back
  CHECK(qe::test::same(view, tensor));
}

TEST_CASE("a payload that is not aligned for its type is copied") {
  const std::string payload("\x01\x00\x00\x80\x3f\x00\x00\x00\x40", 9);
  for (std::size_t padding = 0; padding < 8; ++padding) {
    const std::string bytes = image(R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},)"
                                    R"("b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})" +
                                        std::string(padding, ' '),
                                    payload);
    const auto file = qe::view_safetensors(std::as_bytes(std::span(bytes)), nullptr, "x");
    const auto values = file.tensors.at("b").data<float>();
    CHECK(reinterpret_cast<std::uintptr_t>(values.data()) % 4 == 0);
    CHECK(values[0] == 1.0F);
    CHECK(values[1] == 2.0F);
  }
}

TEST_CASE("the writer refuses tensors it cannot represent") {
  qe::test::TempDir dir;
  qe::Tensor bad = qe::make_tensor<float>({2}, {1.0F, 2.0F});
  bad.shape = {3};
  CHECK(error_of<qe::UsageError>([&] {
          qe::write_safetensors(dir / "x", {{"w", bad}});
        }).name == "w");
  const qe::Tensor good = qe::make_tensor<float>({1}, {1.0F});
  error_of<qe::UsageError>([&] { qe::write_safetensors(dir / "x", {{"__metadata__", good}}); });
  error_of<qe::UsageError>([&] { qe::write_safetensors(dir / "x", {{"\xff", good}}); });
  error_of<qe::IoError>([&] { qe::write_safetensors(dir / "no" / "x", {{"w", good}}); });
  CHECK(qe::test::read_tree(dir.path()).empty());
}

struct Bad {
  std::string why;
  std::string bytes;
  const char* name;     // of the tensor or place, in the error
  const char* problem;  // part of it
};

std::vector<Bad> bad_files() {
  const auto raw = [](std::uint64_t length, const std::string& rest) {
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &length, 8);
    return bytes + rest;
  };
  const auto one = [](const std::string& dtype, const std::string& shape,
                      const std::string& offsets, std::size_t payload) {
    return image("{\"w\":{\"dtype\":" + dtype + ",\"shape\":" + shape +
                     ",\"data_offsets\":" + offsets + "}}",
                 std::string(payload, 'x'));
  };
  const std::string a = R"("a":{"dtype":"U8","shape":[4],"data_offsets":)";
  const std::string b = R"("b":{"dtype":"U8","shape":[4],"data_offsets":)";
  return {
      {"empty file", "", "", "too short"},
      {"seven bytes", std::string(7, '\0'), "", "too short"},
      {"length 0", raw(0, "{}"), "", "does not begin"},
      {"length beyond the file", raw(3, "{}"), "", "not possible"},
      {"length 2^64 - 1", raw(~0ULL, "{}"), "", "not possible"},
      {"length 2^64 - 8 wraps around", raw(~0ULL - 7, "{}"), "", "not possible"},
      {"length 2^63", raw(1ULL << 63, "{}"), "", "not possible"},
      {"length of 32 bits and more", raw((1ULL << 32) + 2, "{}"), "", "not possible"},
      {"length just above the cap", raw(100'000'001, "{}"), "", "not possible"},
      {"leading space", image(" {}", ""), "", "does not begin"},
      {"byte order mark", image("\xef\xbb\xbf{}", ""), "", "does not begin"},
      {"an array", image("[]", ""), "", "does not begin"},
      {"not closed", image("{", ""), "byte", "not valid JSON"},
      {"text after the object", image("{}{}", ""), "byte", "not valid JSON"},
      {"NUL after the object", image(std::string("{}\0x", 4), ""), "", "NUL"},
      {"comment", image("{/**/}", ""), "byte", "not valid JSON"},
      {"trailing comma", image("{\"a\":1,}", ""), "", ""},
      {"broken UTF-8", image("{\"\xff\":1}", ""), "byte", "not valid JSON"},
      {"overlong UTF-8", image("{\"\xc0\xaf\":1}", ""), "byte", "not valid JSON"},
      {"lone surrogate", image(R"({"\ud800":1})", ""), "byte", "not valid JSON"},
      {"a number for a tensor", image(R"({"w":1})", ""), "w", "wrong kind"},
      {"null for a tensor", image(R"({"w":null})", ""), "w", "wrong kind"},
      {"a string for a tensor", image(R"({"w":"x"})", ""), "w", "wrong kind"},
      {"an array for a tensor", image(R"({"w":[]})", ""), "w", "wrong kind"},
      {"a boolean for a tensor", image(R"({"w":true})", ""), "w", "wrong kind"},
      {"nothing in a tensor", image(R"({"w":{}})", ""), "w", "missing"},
      {"no shape", image(R"({"w":{"dtype":"U8","data_offsets":[0,0]}})", ""), "w", "missing"},
      {"no offsets", image(R"({"w":{"dtype":"U8","shape":[0]}})", ""), "w", "missing"},
      {"no dtype", image(R"({"w":{"shape":[0],"data_offsets":[0,0]}})", ""), "w", "missing"},
      {"unknown key", image(R"({"w":{"dtype":"U8","strides":[1]}})", ""), "w", "unknown key"},
      {"metadata is no object", image(R"({"__metadata__":"x"})", ""), "__metadata__", "wrong kind"},
      {"metadata of numbers", image(R"({"__metadata__":{"a":1}})", ""), "__metadata__",
       "wrong kind"},
      {"nested metadata", image(R"({"__metadata__":{"a":{}}})", ""), "__metadata__", "wrong kind"},
      {"metadata key twice", image(R"({"__metadata__":{"a":"","a":""}})", ""), "__metadata__",
       "twice"},
      {"metadata twice", image(R"({"__metadata__":{},"__metadata__":{}})", ""), "__metadata__",
       "twice"},
      {"tensor twice", image("{" + a + "[0,4]}," + a + "[4,8]}}", "12345678"), "a", "twice"},
      {"tensor twice by escape",
       image("{" + a + R"([0,4]},"\u0061":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
             "12345678"),
       "a", "twice"},
      {"dtype twice", image(R"({"w":{"dtype":"U8","dtype":"U8"}})", ""), "w", "twice"},
      {"dtype unknown", one("\"F12\"", "[0]", "[0,0]", 0), "w", "unknown element type"},
      {"dtype in lower case", one("\"f32\"", "[0]", "[0,0]", 0), "w", "unknown element type"},
      {"dtype is a number", one("1", "[0]", "[0,0]", 0), "w", "wrong kind"},
      {"shape is a number", one("\"U8\"", "4", "[0,4]", 4), "w", "wrong kind"},
      {"shape is an object", one("\"U8\"", "{}", "[0,4]", 4), "w", "wrong kind"},
      {"shape of strings", one("\"U8\"", "[\"4\"]", "[0,4]", 4), "w", "wrong kind"},
      {"shape of arrays", one("\"U8\"", "[[4]]", "[0,4]", 4), "w", "wrong kind"},
      {"dimension -1", one("\"U8\"", "[-1]", "[0,4]", 4), "w", "wrong kind"},
      {"dimension -0", one("\"U8\"", "[-0]", "[0,0]", 0), "w", "wrong kind"},
      {"dimension 4.0", one("\"U8\"", "[4.0]", "[0,4]", 4), "w", "wrong kind"},
      {"dimension 1e1", one("\"U8\"", "[1e1]", "[0,10]", 10), "w", "wrong kind"},
      {"dimension 2^63", one("\"U8\"", "[9223372036854775808]", "[0,4]", 4), "w", "too large"},
      {"dimension 2^64", one("\"U8\"", "[18446744073709551616]", "[0,4]", 4), "w", "wrong kind"},
      {"dimension 1e999", one("\"U8\"", "[1e999]", "[0,4]", 4), "byte", "not valid JSON"},
      {"dimension true", one("\"U8\"", "[true]", "[0,4]", 4), "w", "wrong kind"},
      {"product overflows", one("\"U8\"", "[4294967296,4294967296]", "[0,0]", 0), "w", "overflows"},
      {"product wraps to 4", one("\"U8\"", "[4611686018427387905,4]", "[0,4]", 4), "w",
       "overflows"},
      {"bytes wrap to 8", one("\"F64\"", "[2305843009213693953]", "[0,8]", 8), "w", "overflows"},
      {"a zero after the overflow", one("\"U8\"", "[4294967296,4294967296,0]", "[0,0]", 0), "w",
       "overflows"},
      {"three nibbles", one("\"F4\"", "[3]", "[0,2]", 2), "w", "whole number"},
      {"six bits", one("\"F6_E2M3\"", "[1]", "[0,1]", 1), "w", "whole number"},
      {"scalar nibble", one("\"F4\"", "[]", "[0,1]", 1), "w", "whole number"},
      {"one offset", one("\"U8\"", "[4]", "[4]", 4), "w", "number of data offsets"},
      {"no offset", one("\"U8\"", "[4]", "[]", 4), "w", "number of data offsets"},
      {"three offsets", one("\"U8\"", "[4]", "[0,4,4]", 4), "w", "wrong kind"},
      {"offset -1", one("\"U8\"", "[4]", "[-1,3]", 4), "w", "wrong kind"},
      {"offset as text", one("\"U8\"", "[4]", "[\"0\",4]", 4), "w", "wrong kind"},
      {"offset object", one("\"U8\"", "[4]", "{}", 4), "w", "wrong kind"},
      {"offsets run backwards", one("\"U8\"", "[4]", "[4,0]", 4), "w", "backwards"},
      {"offsets whose difference wraps", one("\"U8\"", "[4]", "[18446744073709551612,0]", 4), "w",
       "backwards"},
      {"end beyond the file", one("\"U8\"", "[5]", "[0,5]", 4), "w", "beyond the end"},
      {"end 2^64 - 1", one("\"U8\"", "[4]", "[0,18446744073709551615]", 4), "w", "beyond the end"},
      {"end of 32 bits and more", one("\"U8\"", "[4]", "[0,4294967300]", 4), "w", "beyond"},
      {"shape larger than the data", one("\"F32\"", "[2]", "[0,4]", 4), "w", "do not match"},
      {"shape smaller than the data", one("\"U8\"", "[3]", "[0,4]", 4), "w", "do not match"},
      {"zero shape with data", one("\"U8\"", "[0]", "[0,4]", 4), "w", "do not match"},
      {"bytes after the data", one("\"U8\"", "[4]", "[0,4]", 5), "", "after the last"},
      {"data without tensors", image("{}", "x"), "", "after the last"},
      {"hole at the start", one("\"U8\"", "[3]", "[1,4]", 4), "w", "hole"},
      {"hole", image("{" + a + "[0,4]}," + b + "[5,9]}}", "123456789"), "b", "hole"},
      {"overlap", image("{" + a + "[0,4]}," + b + "[3,7]}}", "1234567"), "b", "overlaps"},
      {"same bytes twice", image("{" + a + "[0,4]}," + b + "[0,4]}}", "1234"), "b", "overlaps"},
      {"empty tensor beyond the end", one("\"U8\"", "[0]", "[1,1]", 0), "w", "beyond"},
      {"deep nesting", image(std::string("{\"a\":") + std::string(100'000, '['), ""), "a",
       "wrong kind"},
  };
}

TEST_CASE("every rule of the format is enforced with an error that names the place") {
  for (const Bad& bad : bad_files()) {
    INFO(bad.why);
    const auto detail = error_of<qe::LoadError>([&] {
      qe::view_safetensors(std::as_bytes(std::span(bad.bytes)), nullptr, "bad.safetensors");
    });
    CHECK(detail.file == "bad.safetensors");
    CHECK(detail.name.starts_with(bad.name));
    CHECK(detail.problem.find(bad.problem) != std::string::npos);
  }
}

TEST_CASE("legal oddities are read") {
  const std::string bytes =
      image(R"({"s":{"shape":[],"data_offsets":[0,2],"dtype":"F16"},"__metadata__":{},)"
            R"("z":{"dtype":"I64","shape":[0,9],"data_offsets":[3,3]},)"
            R"("n":{"dtype":"F4","shape":[2,1],"data_offsets":[2,3]}}   )",
            "abc");
  const auto file = qe::view_safetensors(std::as_bytes(std::span(bytes)), nullptr, "x");
  CHECK(file.tensors.size() == 3);
  CHECK(file.tensors.at("s").size() == 1);
  CHECK(file.tensors.at("z").data<std::int64_t>().empty());
  CHECK(file.tensors.at("n").bytes.size() == 1);
}

TEST_CASE("every truncation is an error: each header byte, a thousand payload offsets") {
  qe::test::TempDir dir;
  qe::TensorMap tensors;
  for (int i = 0; i < 6; ++i) {
    tensors["layer." + std::to_string(i)] = qe::test::random_tensor(qe::DType::kF32, {17, 31}, i);
  }
  qe::write_safetensors(dir / "x", tensors, {{"format", "pt"}});
  const std::string whole = qe::test::read_file(dir / "x");
  std::uint64_t header = 0;
  std::memcpy(&header, whole.data(), 8);
  std::vector<std::size_t> lengths;
  for (std::size_t i = 0; i < 8 + header; ++i) lengths.push_back(i);
  std::mt19937_64 random(20);
  for (int i = 0; i < 1000; ++i) {
    lengths.push_back(8 + header + random() % (whole.size() - 8 - header));
  }
  for (const std::size_t length : lengths) {
    INFO("length " << length);
    const std::string cut = whole.substr(0, length);
    error_of<qe::LoadError>(
        [&] { qe::view_safetensors(std::as_bytes(std::span(cut)), nullptr, "x"); });
  }
}

TEST_CASE("no flipped header bit leads outside the file, and none changes the data unseen") {
  const std::string payload = "0123456789abcdef";
  const std::string whole = image(
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
      R"("b":{"dtype":"I8","shape":[2,4],"data_offsets":[8,16]}}     )",
      payload);
  const std::size_t header = whole.size() - payload.size();
  int accepted = 0;
  for (std::size_t bit = 0; bit < header * 8; ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto bytes = std::as_bytes(std::span(flipped));
    try {
      const auto file = qe::view_safetensors(bytes, nullptr, "x");
      // Only names, metadata, white space and types of equal width can differ unseen.
      ++accepted;
      std::size_t total = 0;
      for (const auto& [name, tensor] : file.tensors) total += tensor.bytes.size();
      CHECK(total == payload.size());
    } catch (const qe::LoadError& error) {
      CHECK(error.detail().file == "x");
    }
  }
  CHECK(accepted < static_cast<int>(header * 8) / 2);
}

TEST_CASE("only regular files are opened") {
  qe::test::TempDir dir;
  const auto open = [&](const char* name) {
    return [&dir, name] { qe::FileImage::open(dir / name, true); };
  };
  CHECK(error_of<qe::LoadError>(open("none")).problem == "no such file");
  qe::test::fs::create_directory(dir / "directory");
  CHECK(error_of<qe::LoadError>(open("directory")).problem == "not a regular file");
  REQUIRE(::mkfifo((dir / "pipe").c_str(), 0600) == 0);
  CHECK(error_of<qe::LoadError>(open("pipe")).problem == "not a regular file");
  qe::test::write_file(dir / "empty", "");
  CHECK(qe::FileImage::open(dir / "empty", true)->bytes().empty());
  qe::test::write_file(dir / "secret", "x");
  qe::test::fs::permissions(dir / "secret", qe::test::fs::perms::none);
  if (::geteuid() != 0) error_of<qe::IoError>(open("secret"));
  qe::test::write_file(dir / "text", "12345");
  CHECK(qe::read_text_file(dir / "text", 5) == "12345");
  CHECK(error_of<qe::LoadError>([&] { qe::read_text_file(dir / "text", 4); }).problem ==
        "file is too large");
}

}  // namespace
