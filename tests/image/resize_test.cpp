// Resizing against Pillow, bit for bit: small odd sizes of a stored image, and the shared goldens.
#include <random>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <qe/error.h>

#include "tests/image/support.h"

namespace qe::test {
namespace {

// "BILINEAR.WxH" or "WxH.FILTER" in its parts.
struct Target {
  int width, height;
  Interpolation interpolation;
};

Target parse_target(const std::string& size, const std::string& filter) {
  const std::size_t cross = size.find('x');
  REQUIRE(cross != std::string::npos);
  REQUIRE((filter == "bilinear" || filter == "bicubic"));
  return {std::stoi(size.substr(0, cross)), std::stoi(size.substr(cross + 1)),
          filter == "bilinear" ? Interpolation::kBilinear : Interpolation::kBicubic};
}

TEST_CASE("odd sizes, enlarged and reduced, equal Pillow") {
  const SafetensorsFile golden = read_safetensors(kImages / "resize.safetensors");
  const Image image = decode_image(kImages / golden.metadata.at("file"));
  CHECK(golden.tensors.size() == 14);
  for (const auto& entry : golden.tensors) {
    const auto& name = entry.first;
    const auto& tensor = entry.second;
    CAPTURE(name);
    const std::size_t dot = name.find('.');
    const Target target = parse_target(name.substr(0, dot), name.substr(dot + 1));
    CHECK(difference(resize(image, target.width, target.height, target.interpolation),
                     to_image(tensor)) == 0);
  }
}

TEST_CASE("the shared goldens are met exactly") {
  const auto path = shared_data("goldens/resize.safetensors");
  if (!path) return;
  const SafetensorsFile golden = read_safetensors(*path);
  const auto names = nlohmann::json::parse(golden.metadata.at("files"));
  int compared = 0;
  for (const auto& entry : golden.tensors) {
    const auto& name = entry.first;
    const auto& tensor = entry.second;
    if (name.ends_with(".decoded")) continue;
    CAPTURE(name);
    const std::size_t first = name.find('.');
    const std::size_t second = name.find('.', first + 1);
    const auto file =
        shared_data("data/" + names[std::stoul(name.substr(0, first))].get<std::string>());
    if (!file) return;
    // Their sizes are height x width.
    const Target target =
        parse_target(name.substr(second + 1), name.substr(first + 1, second - first - 1));
    const Image resized =
        resize(decode_image(*file), target.height, target.width, target.interpolation);
    const Image expected = to_image(tensor);
    CHECK(difference(resized, expected) == 0);
    ++compared;
  }
  CHECK(compared == 24);
}

Image noise(int width, int height, unsigned seed) {
  Image image{.width = width, .height = height, .rgb = {}};
  std::mt19937 random(seed);
  image.rgb.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3);
  for (std::uint8_t& byte : image.rgb) byte = static_cast<std::uint8_t>(random());
  return image;
}

TEST_CASE("the same size changes nothing, a constant stays constant") {
  const Image image = noise(13, 9, 1);
  for (const auto interpolation : {Interpolation::kBilinear, Interpolation::kBicubic}) {
    CHECK(difference(resize(image, 13, 9, interpolation), image) == 0);
    Image flat = image;
    for (const int value : {0, 1, 128, 255}) {
      std::fill(flat.rgb.begin(), flat.rgb.end(), static_cast<std::uint8_t>(value));
      for (const auto& [width, height] : {std::pair{1, 1}, {5, 40}, {200, 3}, {27, 17}}) {
        for (const std::uint8_t byte : resize(flat, width, height, interpolation).rgb) {
          REQUIRE(int{byte} == value);
        }
      }
    }
  }
}

TEST_CASE("reductions with more weights than 32-bit sums of one sign could take") {
  Image line = noise(1, 1, 2);
  line.width = 70'000;
  line.rgb.assign(line.width * 3U, 255);
  CHECK(resize(line, 1, 1, Interpolation::kBicubic).rgb == std::vector<std::uint8_t>(3, 255));
}

TEST_CASE("refusals") {
  const Image image = noise(4, 3, 3);
  for (const std::pair<int, int>& size : {std::pair{0, 1}, {1, 0}, {-5, 4}}) {
    CHECK(error_of<UsageError>([&] {
            resize(image, size.first, size.second, Interpolation::kBilinear);
          }).problem == "cannot resize to this size");
  }
  Image broken = image;
  broken.rgb.pop_back();
  CHECK_THROWS_AS(resize(broken, 2, 2, Interpolation::kBilinear), UsageError);
  CHECK_THROWS_AS(crop(broken, 0, 0, 1, 1), UsageError);
  CHECK_THROWS_AS(preprocess(broken, {}), UsageError);
  CHECK_THROWS_AS(resize(Image{}, 2, 2, Interpolation::kBilinear), UsageError);
  CHECK_THROWS_AS(resize(image, 50'000, 50'000, Interpolation::kBilinear), UsageError);
}

}  // namespace
}  // namespace qe::test
