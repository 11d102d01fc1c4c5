// Float logits of image models against those of the library that made or trained them: the small
// ones of the repository, the shared trained ones where they are, and in the folder QE_GOLDEN_DIR
// those that tests/oracle/make_image_goldens.py writes.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "loaders/safetensors.h"
#include "tests/loaders/support.h"
#include "tests/support/float_models.h"

#include <qe/load.h>
#include <qe/session.h>

namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr float kTolerance = 1e-3F;

struct Golden {
  std::vector<std::uint8_t> pixels;  // [images][height][width][3]
  qe::Shape shape;                   // of pixels
  std::vector<float> mean, std, logits;
};

std::vector<float> floats(const qe::Tensor& tensor) {
  const auto values = tensor.data<float>();
  return {values.begin(), values.end()};
}

Golden read_pixels(const fs::path& file) {
  const qe::TensorMap tensors = qe::read_safetensors(file).tensors;
  const auto pixels = tensors.at("pixels").data<std::uint8_t>();
  return {.pixels = {pixels.begin(), pixels.end()},
          .shape = tensors.at("pixels").shape,
          .mean = floats(tensors.at("mean")),
          .std = floats(tensors.at("std")),
          .logits = floats(tensors.at("logits"))};
}

// The pixels that a normalized input [images, 3, height, width] was made of.
Golden read_normalized(const fs::path& file, const qe::ImageInput& image) {
  const qe::TensorMap tensors = qe::read_safetensors(file).tensors;
  const qe::Shape& nchw = tensors.at("input").shape;
  const auto input = tensors.at("input").data<float>();
  Golden golden{.pixels = std::vector<std::uint8_t>(input.size()),
                .shape = {nchw[0], nchw[2], nchw[3], nchw[1]},
                .mean = {image.mean.begin(), image.mean.end()},
                .std = {image.std.begin(), image.std.end()},
                .logits = floats(tensors.at("logits"))};
  const auto plane = static_cast<std::size_t>(nchw[2] * nchw[3]);
  for (std::size_t i = 0; i < input.size(); ++i) {
    const std::size_t channel = i / plane % 3;
    const std::size_t pixel = i / plane / 3 * plane + i % plane;
    const float value = (input[i] * golden.std[channel] + golden.mean[channel]) * 255.0F;
    REQUIRE(std::fabs(value - std::round(value)) < 0.01F);
    golden.pixels[pixel * 3 + channel] = static_cast<std::uint8_t>(std::lround(value));
  }
  return golden;
}

// A bare state dict says nothing of the image; Hugging Face keeps the normalization elsewhere.
void describe_input(qe::Checkpoint& checkpoint, const Golden& golden) {
  if (checkpoint.config.has("pretrained_cfg") && checkpoint.config.has("model_args")) return;
  auto json = ordered_json::parse(checkpoint.config.dump());
  json["pretrained_cfg"]["input_size"] = {3, golden.shape[1], golden.shape[2]};
  json["pretrained_cfg"]["mean"] = golden.mean;
  json["pretrained_cfg"]["std"] = golden.std;
  checkpoint.config = qe::Config::parse(json.dump(), checkpoint.config.file());
}

void check(qe::Model model, const Golden& golden, const std::string& name) {
  CAPTURE(name);
  const auto images = static_cast<int>(golden.shape[0]);
  const auto plan = qe::Plan::compile(std::move(model), {.max_sequences = images, .threads = 2});
  float worst = 0;
  float largest = 0;
  for (const int threads : {1, 2}) {
    qe::Session session(plan, {.threads = threads});
    const auto logits = session.run(qe::ImageBatch{.pixels = golden.pixels});
    REQUIRE(logits.size() <= golden.logits.size());
    REQUIRE(logits.size() == static_cast<std::size_t>(images * plan->label_count()));
    for (std::size_t i = 0; i < logits.size(); ++i) {
      worst = std::max(worst, std::fabs(logits[i] - golden.logits[i]));
      largest = std::max(largest, std::fabs(golden.logits[i]));
    }
  }
  MESSAGE(name << ": max abs difference " << worst << " of logits up to " << largest);
  CHECK(worst <= kTolerance);
}

// Every NAME.golden.safetensors of a folder, with the model beside it; how many there were.
int check_folder(const fs::path& folder) {
  constexpr std::string_view kSuffix = ".golden.safetensors";
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string file = entry.path().filename().string();
    if (file.ends_with(kSuffix)) names.push_back(file.substr(0, file.size() - kSuffix.size()));
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    const Golden golden = read_pixels(folder / (name + std::string(kSuffix)));
    qe::Checkpoint checkpoint = qe::load_checkpoint(folder / name);
    describe_input(checkpoint, golden);
    check(qe::build_model(checkpoint), golden, name);
  }
  return static_cast<int>(names.size());
}

TEST_CASE("image models of the repository give their libraries' logits") {
  if (qe::test::skip_float("image models")) return;
  CHECK(check_folder(fs::path(QE_SOURCE_DIR) / "tests/data/image_models") >= 3);
}

TEST_CASE("architectures of full width give their libraries' logits") {
  if (qe::test::skip_float("image models")) return;
  const char* const folder = std::getenv("QE_GOLDEN_DIR");
  if (folder == nullptr) {
    MESSAGE("skipped: QE_GOLDEN_DIR is not set");
    return;
  }
  CHECK(check_folder(folder) > 0);
}

TEST_CASE("trained image models give their libraries' logits") {
  if (qe::test::skip_float("image models")) return;
  const auto models = qe::test::shared_data("models");
  const auto goldens = qe::test::shared_data("goldens");
  if (!models || !goldens) return;
  for (const auto& entry : fs::directory_iterator(*models)) {
    const fs::path file = *goldens / (entry.path().filename().string() + ".safetensors");
    if (!entry.is_directory() || !fs::exists(file)) continue;
    qe::Model model = qe::build_model(qe::load_checkpoint(entry.path()));
    if (!model.image) continue;
    const Golden golden = read_normalized(file, *model.image);
    check(std::move(model), golden, entry.path().filename().string());
  }
}

}  // namespace
