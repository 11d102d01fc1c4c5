// Decoding against Pillow (tests/oracle/make_images.py), and one test for each thing it refuses.
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <qe/error.h>

#include "loaders/image/orientation.h"
#include "tests/image/support.h"

namespace qe::test {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

Image decode(const std::string& bytes, const DecodeOptions& options = {}) {
  return decode_image(bytes_of(bytes), "test", options);
}

ErrorDetail refusal(const std::string& bytes, const DecodeOptions& options = {}) {
  return error_of<DataError>([&] { decode(bytes, options); });
}

ErrorDetail refusal_of_file(const std::string& name) {
  const fs::path file = kImages / "refused" / name;
  const ErrorDetail detail = error_of<DataError>([&] { decode_image(file); });
  CHECK(detail.file == file.string());
  return detail;
}

TEST_CASE("every variant equals Pillow, byte for byte") {
  const SafetensorsFile expected = read_safetensors(kImages / "expected.safetensors");
  int files = 0;
  for (const auto& entry : expected.tensors) {
    const auto& name = entry.first;
    const auto& tensor = entry.second;
    if (name.ends_with("@upright")) continue;
    CAPTURE(name);
    ++files;
    CHECK(difference(decode_image(kImages / name, {.exif_rotation = false}), to_image(tensor)) ==
          0);
    const auto turned = expected.tensors.find(name + "@upright");
    const Tensor& upright = turned != expected.tensors.end() ? turned->second : tensor;
    CHECK(difference(decode_image(kImages / name), to_image(upright)) == 0);
  }
  CHECK(files >= 45);
}

TEST_CASE("files whose fault is in the header") {
  CHECK(refusal_of_file("unknown.gif").problem == "unknown image format");
  CHECK(refusal_of_file("unknown.gif").actual == "bytes 47 49 46 38");
  for (const char* name : {"huge.png", "huge.jpg"}) {
    const ErrorDetail detail = refusal_of_file(name);
    CHECK(detail.problem == "image is too large");
    CHECK(detail.expected == "at most 100000000 pixels");
    CHECK(detail.actual == "65535 x 65535 pixels");
  }
  for (const char* name : {"sparse.png", "sparse.jpg"}) {
    CHECK(refusal_of_file(name).problem == "image has more pixels than its file can hold");
  }
  CHECK(refusal_of_file("zero.png").problem == "PNG is corrupt");
  CHECK(refusal_of_file("zero.jpg").problem == "JPEG is corrupt");
  CHECK(refusal_of_file("animated.png").problem == "PNG is animated");
  CHECK(refusal_of_file("animated.webp").problem == "WebP is animated");
}

TEST_CASE("the pixel cap is checked before decoding, for each format") {
  for (const char* name : {"420.jpg", "rgb.png", "lossy.webp"}) {
    const std::string bytes = read_file(kImages / name);
    const Image image = decode(bytes);
    const auto pixels = std::int64_t{image.width} * image.height;
    CHECK(difference(decode(bytes, {.max_pixels = pixels}), image) == 0);
    CHECK(refusal(bytes, {.max_pixels = pixels - 1}).problem == "image is too large");
    CHECK(refusal(bytes, {.max_pixels = 0}).problem == "image is too large");
    CHECK(refusal(bytes, {.max_pixels = -1}).problem == "image is too large");
  }
}

TEST_CASE("empty, missing and unreadable files") {
  CHECK(refusal("").problem == "image file is empty");
  CHECK(refusal("\xFF\xD8").actual == "bytes FF D8");
  const TempDir folder;
  write_file(folder / "empty.jpg", "");
  CHECK(error_of<DataError>([&] { decode_image(folder / "empty.jpg"); }).problem ==
        "image file is empty");
  CHECK(error_of<DataError>([&] { decode_image(folder / "absent.jpg"); }).problem ==
        "no such file");
  CHECK(error_of<DataError>([&] { decode_image(folder.path()); }).problem == "not a regular file");
  fs::create_symlink("loop", folder / "loop");
  CHECK_THROWS_AS(decode_image(folder / "loop"), IoError);
  write_file(folder / "large.png", "x");
  fs::resize_file(folder / "large.png", (std::uintmax_t{512} << 20) + 1);
  CHECK(error_of<DataError>([&] { decode_image(folder / "large.png"); }).problem ==
        "image file is too large");
}

TEST_CASE("every truncation is refused") {
  for (const char* name :
       {"420.jpg", "progressive.jpg", "restart.jpg", "cmyk.jpg", "rgb.png", "interlaced.png",
        "palette4.png", "lossy.webp", "lossless.webp", "lossy_alpha.webp", "orientation8.webp"}) {
    CAPTURE(name);
    const std::string bytes = read_file(kImages / name);
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      CAPTURE(length);
      REQUIRE_THROWS_AS(decode(bytes.substr(0, length)), DataError);
    }
  }
}

TEST_CASE("damaged images are decoded to their size or refused") {
  constexpr unsigned kSeed = 20;
  MESSAGE("seed " << kSeed);
  std::mt19937 random(kSeed);
  int refused = 0;
  for (const auto& entry : fs::directory_iterator(kImages)) {
    if (!entry.is_regular_file() || entry.path().extension() == ".safetensors") continue;
    const std::string bytes = read_file(entry.path());
    for (int i = 0; i < 200; ++i) {
      std::string damaged = bytes;
      for (unsigned flips = 1 + random() % 3; flips > 0; --flips) {
        damaged[random() % damaged.size()] ^= static_cast<char>(1U << random() % 8);
      }
      try {
        const Image image = decode(damaged, {.max_pixels = 1 << 20});
        REQUIRE(image.rgb.size() ==
                static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 3);
      } catch (const DataError&) {
        ++refused;
      }
    }
  }
  CHECK(refused > 1000);
}

TEST_CASE("damage says which format") {
  std::string jpeg = read_file(kImages / "444.jpg");
  const std::size_t scan = jpeg.find("\xFF\xDA");
  REQUIRE(scan != std::string::npos);
  // A marker in the middle of the coded data ends it.
  std::string cut = jpeg;
  cut.replace(scan + 100, 2, "\xFF\xD9");
  CHECK(refusal(cut).problem == "JPEG is corrupt");
  CHECK(refusal(jpeg.substr(0, scan + 100)).problem == "JPEG is truncated");
  std::string png = read_file(kImages / "rgb.png");
  CHECK(refusal(png.substr(0, png.size() - 1)).problem == "PNG is truncated");
  png[png.find("IDAT") + 20] ^= 1;
  CHECK(refusal(png).problem == "PNG is corrupt");
  std::string webp = read_file(kImages / "lossless.webp");
  webp[20] ^= 1;  // the signature of the lossless stream
  CHECK(refusal(webp).problem == "WebP is corrupt");
  CHECK(refusal(read_file(kImages / "lossy.webp").substr(0, 15)).problem == "WebP is truncated");
}

TEST_CASE("a JPEG of two components or of too many scans") {
  std::string jpeg = read_file(kImages / "grey.jpg");
  const std::size_t frame = jpeg.find("\xFF\xC0");
  REQUIRE(frame != std::string::npos);
  std::string two = jpeg;
  two[frame + 3] = 14;  // length of the segment
  two[frame + 9] = 2;   // components
  two.insert(frame + 13, std::string("\x02\x11\x00", 3));
  CHECK(refusal(two).problem == "JPEG has another number of components");

  std::string progressive = read_file(kImages / "progressive.jpg");
  const std::size_t first = progressive.find("\xFF\xDA");
  const std::size_t second = progressive.find("\xFF\xDA", first + 2);
  REQUIRE(second != std::string::npos);
  const std::size_t tables = progressive.find("\xFF\xC4", first);
  const std::string scan = progressive.substr(first, std::min(second, tables) - first);
  std::string many = progressive.substr(0, first);
  for (int i = 0; i < 300; ++i) many += scan;
  const ErrorDetail detail = refusal(many + progressive.substr(first));
  // Repeating a scan is itself a fault of the progression; either is a refusal.
  CHECK(detail.problem.starts_with("JPEG"));
}

std::string exif_block(const std::string& order, int type, int value) {
  using namespace std::string_literals;
  const bool big = order == "MM";
  const auto number = [&](std::uint32_t n, int width) {
    std::string text;
    for (int i = 0; i < width; ++i) {
      const int shift = 8 * (big ? width - 1 - i : i);
      text += static_cast<char>(n >> shift & 255U);
    }
    return text;
  };
  const int width = type == 3 ? 2 : 4;
  return order + number(42, 2) + number(8, 4) + number(2, 2) + number(0x010F, 2) + number(2, 2) +
         number(1, 4) + "A\0\0\0"s + number(0x0112, 2) +
         number(static_cast<std::uint32_t>(type), 2) + number(1, 4) +
         number(static_cast<std::uint32_t>(value), width) +
         std::string(static_cast<std::size_t>(4 - width), '\0') + number(0, 4);
}

TEST_CASE("orientation of EXIF blocks, and blocks that are none") {
  using namespace std::string_literals;
  for (const char* order : {"II", "MM"}) {
    for (int value = 0; value < 10; ++value) {
      const int expected = value >= 1 && value <= 8 ? value : 1;
      for (const int type : {3, 4}) {
        const std::string block = exif_block(order, type, value);
        CHECK(image::exif_orientation(bytes_of(block)) == expected);
        CHECK(image::exif_orientation(bytes_of("Exif\0\0"s + block)) == expected);
      }
      CHECK(image::exif_orientation(bytes_of(exif_block(order, 2, value))) == 1);
    }
    const std::string block = exif_block(order, 3, 6);
    for (std::size_t length = 0; length < block.size(); ++length) {
      const int found = image::exif_orientation(bytes_of(block.substr(0, length)));
      CHECK((found == 1 || found == 6));
    }
    CHECK(image::exif_orientation(bytes_of(block.substr(0, 20))) == 1);
  }
  CHECK(image::exif_orientation(bytes_of("II*\0\xFF\xFF\xFF\xFF"s)) == 1);
  CHECK(image::exif_orientation(bytes_of("neither")) == 1);
}

TEST_CASE("the first pixels of the shared photographs") {
  const auto golden = shared_data("goldens/resize.safetensors");
  if (!golden) return;
  const SafetensorsFile file = read_safetensors(*golden);
  const auto names = nlohmann::json::parse(file.metadata.at("files"));
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto path = shared_data("data/" + names[i].get<std::string>());
    if (!path) return;
    const Image expected = to_image(file.tensors.at(std::to_string(i) + ".decoded"));
    const Image image = decode_image(*path);
    CHECK(difference(crop(image, 0, 0, expected.width, expected.height), expected) == 0);
  }
}

}  // namespace
}  // namespace qe::test
