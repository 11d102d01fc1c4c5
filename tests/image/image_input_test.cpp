// The description of the input out of config.json and preprocessor_config.json; one test for each
// refusal.
#include <string>

#include <doctest/doctest.h>

#include <qe/error.h>
#include <qe/image_input.h>

#include "tests/loaders/support.h"

namespace qe::test {
namespace {

ImageInput timm(const std::string& json) {
  return parse_image_input(Config::parse(json, "config.json"));
}

ImageInput hugging_face(const std::string& json) {
  return parse_preprocessor_config(Config::parse(json, "preprocessor_config.json"));
}

TEST_CASE("torchvision's defaults") {
  const ImageInput input = timm("{}");
  CHECK(input.height == 224);
  CHECK(input.width == 224);
  CHECK(input.resize == ResizeMode::kShortSide);
  CHECK(input.resize_height == 256);
  CHECK(input.resize_width == 256);
  CHECK(input.interpolation == Interpolation::kBilinear);
  CHECK(input.mean == std::array{0.485F, 0.456F, 0.406F});
  CHECK(input.std == std::array{0.229F, 0.224F, 0.225F});
}

TEST_CASE("timm's pretrained_cfg") {
  const ImageInput input = timm(
      R"({"architecture": "x", "pretrained_cfg": {"input_size": [3, 96, 112], "crop_pct": 0.9,
          "interpolation": "bilinear", "crop_mode": "squash", "mean": [0.5, 0, 1],
          "std": [0.5, 1, 2]}})");
  CHECK(input.height == 96);
  CHECK(input.width == 112);
  CHECK(input.resize == ResizeMode::kSquash);
  CHECK(input.resize_height == 106);
  CHECK(input.resize_width == 124);
  CHECK(input.interpolation == Interpolation::kBilinear);
  CHECK(input.mean == std::array{0.5F, 0.0F, 1.0F});
  CHECK(input.std == std::array{0.5F, 1.0F, 2.0F});
  CHECK(timm(R"({"pretrained_cfg": {"interpolation": "bicubic"}})").interpolation ==
        Interpolation::kBicubic);
  CHECK(timm(R"({"image_size": 96})").resize_width == 96);
  CHECK(timm(R"({"image_size": 96})").resize == ResizeMode::kSquash);
  CHECK(timm(R"({"input_size": [3, 32, 32], "crop_pct": 1.0})").resize_width == 32);
  CHECK(timm(R"({"model_args": {"img_size": 384}, "pretrained_cfg": {"crop_pct": 1.0}})").height ==
        384);
  const ImageInput pair = timm(R"({"model_args": {"img_size": [64, 96]}})");
  CHECK(pair.height == 64);
  CHECK(pair.resize_width == 109);
  CHECK(timm(R"({"model_args": {"pad_type": "same"}})").height == 224);
}

TEST_CASE("timm's directories of this machine") {
  const auto models = shared_data("models");
  if (!models) return;
  struct Expected {
    const char* name;
    int side, before;
  };
  for (const Expected& expected : {Expected{"mobilenetv2_100-imagenet", 224, 256},
                                   {"squeezenet1_1-imagenet", 224, 256},
                                   {"resnet50-faces", 112, 112},
                                   {"resnet20-cifar10", 32, 32},
                                   {"tiny-shapes", 32, 32}}) {
    CAPTURE(expected.name);
    const ImageInput input = timm(read_file(*models / expected.name / "config.json"));
    CHECK(input.height == expected.side);
    CHECK(input.width == expected.side);
    CHECK(input.resize_height == expected.before);
    CHECK(input.resize == ResizeMode::kShortSide);
    CHECK(input.interpolation == Interpolation::kBilinear);
  }
}

TEST_CASE("timm's refusals name the key") {
  const auto name_of = [](const std::string& body) {
    return error_of<LoadError>([&] { timm("{\"pretrained_cfg\": {" + body + "}}"); }).name;
  };
  CHECK(name_of(R"("input_size": [3, 224])") == "input_size");
  CHECK(name_of(R"("input_size": [3, 224, 0])") == "pretrained_cfg.input_size");
  CHECK(name_of(R"("input_size": [3, 224, 5000])") == "pretrained_cfg.input_size");
  CHECK(name_of(R"("input_size": [3, 22.5, 224])") == "input_size");
  CHECK(name_of(R"("input_size": "224")") == "pretrained_cfg.input_size");
  CHECK(name_of(R"("crop_pct": 0)") == "pretrained_cfg.crop_pct");
  CHECK(name_of(R"("crop_pct": 1.5)") == "pretrained_cfg.crop_pct");
  CHECK(name_of(R"("mean": [0.5, 0.5])") == "mean");
  CHECK(name_of(R"("mean": [0.5, 0.5, "0.5"])") == "pretrained_cfg.mean");
  CHECK(name_of(R"("std": [0.5, 0.5, 0])") == "pretrained_cfg.std");
  const auto unsupported = [](const std::string& body) {
    return error_of<UnsupportedError>([&] { timm("{\"pretrained_cfg\": {" + body + "}}"); }).name;
  };
  CHECK(unsupported(R"("input_size": [1, 28, 28])") == "input_size");
  CHECK(unsupported(R"("interpolation": "lanczos")") == "interpolation");
  CHECK(unsupported(R"("crop_mode": "border")") == "crop_mode");
  CHECK_THROWS_AS(timm(R"({"pretrained_cfg": 3})"), LoadError);
  CHECK_THROWS_AS(timm(R"({"model_args": {"img_size": [1, 2, 3]}})"), LoadError);
  CHECK_THROWS_AS(timm(R"({"model_args": {"img_size": 0}})"), LoadError);
}

TEST_CASE("Hugging Face's ViT") {
  const ImageInput defaults = hugging_face("{}");
  CHECK(defaults.height == 224);
  CHECK(defaults.resize == ResizeMode::kSquash);
  CHECK(defaults.resize_width == 224);
  CHECK(defaults.interpolation == Interpolation::kBilinear);
  CHECK(defaults.mean == std::array{0.5F, 0.5F, 0.5F});
  CHECK(defaults.std == std::array{0.5F, 0.5F, 0.5F});

  const ImageInput input = hugging_face(
      R"({"image_processor_type": "ViTImageProcessor", "size": {"height": 384, "width": 256},
          "resample": 3, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6],
          "do_resize": true, "do_rescale": true, "rescale_factor": 0.00392156862745098})");
  CHECK(input.height == 384);
  CHECK(input.width == 256);
  CHECK(input.resize_height == 384);
  CHECK(input.interpolation == Interpolation::kBicubic);
  CHECK(input.mean == std::array{0.1F, 0.2F, 0.3F});
  CHECK(input.std == std::array{0.4F, 0.5F, 0.6F});

  CHECK(hugging_face(R"({"size": 96, "feature_extractor_type": "ViTFeatureExtractor"})").width ==
        96);
  CHECK(hugging_face(R"({"do_resize": false})").resize == ResizeMode::kNone);

  const ImageInput cropped =
      hugging_face(R"({"size": {"shortest_edge": 256}, "do_center_crop": true, "crop_size": 224})");
  CHECK(cropped.resize == ResizeMode::kShortSide);
  CHECK(cropped.resize_width == 256);
  CHECK(cropped.height == 224);
}

TEST_CASE("rescaling other than to 0..1 is folded into the normalization") {
  const auto normalized = [](const ImageInput& input, float value) {
    return (value / 255.0F - input.mean[0]) / input.std[0];
  };
  CHECK(normalized(hugging_face(R"({"rescale_factor": 0.00784313725490196})"), 200) ==
        doctest::Approx((200 * 2 / 255.0 - 0.5) / 0.5));
  CHECK(normalized(hugging_face(R"({"do_normalize": false})"), 51) == doctest::Approx(0.2));
  CHECK(normalized(hugging_face(R"({"do_normalize": false, "do_rescale": false})"), 51) ==
        doctest::Approx(51));
}

TEST_CASE("Hugging Face's refusals") {
  const auto unsupported = [](const std::string& json) {
    return error_of<UnsupportedError>([&] { hugging_face(json); }).name;
  };
  CHECK(unsupported(R"({"image_processor_type": "CLIPImageProcessor"})") == "image_processor_type");
  CHECK(unsupported(R"({"feature_extractor_type": "CLIPFeatureExtractor"})") ==
        "feature_extractor_type");
  CHECK(unsupported(R"({"resample": 1})") == "resample");
  CHECK(unsupported(R"({"size": {"shortest_edge": 256}})") == "size");
  for (const char* json :
       {R"({"size": {"height": 10}})", R"({"size": {"height": 0, "width": 3}})",
        R"({"size": "224"})", R"({"do_center_crop": true})", R"({"image_mean": [0.5]})",
        R"({"image_std": [0, 1, 1]})", R"({"rescale_factor": 0})",
        R"({"size": 200, "do_center_crop": true, "crop_size": 224})", R"({"do_resize": "yes"})"}) {
    CAPTURE(json);
    CHECK_THROWS_AS(hugging_face(json), LoadError);
  }
}

}  // namespace
}  // namespace qe::test
