// Cropping, and the geometry of preprocessing against torchvision and timm
// (tests/oracle/make_images.py).
#include <string>

#include <nlohmann/json.hpp>

#include <qe/error.h>

#include "tests/image/support.h"

namespace qe::test {
namespace {

TEST_CASE("inputs of the network equal those of timm's evaluation transform") {
  const SafetensorsFile golden = read_safetensors(kImages / "preprocess.safetensors");
  const auto cases = nlohmann::json::parse(golden.metadata.at("cases"));
  CHECK(cases.size() == 144);
  for (const auto& item : cases) {
    const auto name = item.at("name").get<std::string>();
    CAPTURE(name);
    CAPTURE(item.dump());
    const nlohmann::json config = {{"pretrained_cfg", item.at("config")}};
    const ImageInput input = parse_image_input(Config::parse(config.dump(), "config.json"));
    const Image source =
        to_image(golden.tensors.at("source." + item.at("source").get<std::string>()));
    CHECK(difference(preprocess(source, input), to_image(golden.tensors.at(name))) == 0);
  }
}

Image numbered(int width, int height) {
  Image image{.width = width, .height = height, .rgb = {}};
  for (int i = 0; i < width * height * 3; ++i) image.rgb.push_back(static_cast<std::uint8_t>(i));
  return image;
}

TEST_CASE("crop") {
  const Image image = numbered(5, 4);
  const Image part = crop(image, 1, 2, 3, 2);
  CHECK(part.width == 3);
  CHECK(part.height == 2);
  CHECK(part.rgb[0] == 3 * (2 * 5 + 1));
  CHECK(part.rgb[9] == 3 * (3 * 5 + 1));
  CHECK(difference(crop(image, 0, 0, 5, 4), image) == 0);
  constexpr int kMost = 2147483647;
  for (const auto& [left, top, width, height] : {std::array{-1, 0, 1, 1},
                                                 {0, -1, 1, 1},
                                                 {0, 0, 0, 1},
                                                 {0, 0, 1, 0},
                                                 {3, 0, 3, 1},
                                                 {0, 3, 1, 2},
                                                 {0, 0, 6, 1},
                                                 {1, 1, kMost, kMost},
                                                 {kMost, 0, 1, 1}}) {
    const ErrorDetail detail = error_of<UsageError>(
        [&, l = left, t = top, w = width, h = height] { crop(image, l, t, w, h); });
    CHECK(detail.problem == "the part to cut out is not inside the image");
  }
}

TEST_CASE("no resize: the centre, or nothing") {
  ImageInput input;
  input.resize = ResizeMode::kNone;
  input.width = 3;
  input.height = 2;
  const Image image = numbered(6, 5);
  // Margins of 1.5 are rounded to the even 2.
  CHECK(difference(preprocess(image, input), crop(image, 2, 2, 3, 2)) == 0);
  CHECK(difference(preprocess(numbered(3, 2), input), numbered(3, 2)) == 0);
  const ErrorDetail detail = error_of<DataError>([&] { preprocess(numbered(2, 9), input); });
  CHECK(detail.expected == "at least 3 x 2 pixels");
  CHECK(detail.actual == "2 x 9 pixels");
}

TEST_CASE("an extreme aspect costs what is kept, not the resized image") {
  ImageInput input;
  Image line = numbered(1, 1);
  line.width = 65'535;
  line.rgb.assign(line.width * 3U, 77);
  const Image out = preprocess(line, input);  // 16.8 million pixels wide before the crop
  CHECK(out.width == 224);
  CHECK(out.height == 224);
  CHECK(out.rgb == std::vector<std::uint8_t>(224 * 224 * 3, 77));
}

TEST_CASE("images stored with the resized short side are only cut") {
  const Image image = numbered(300, 256);
  CHECK(difference(preprocess(image, {}), crop(image, 38, 16, 224, 224)) == 0);
}

}  // namespace
}  // namespace qe::test
