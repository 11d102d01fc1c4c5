// Image models from a directory to answers: the ways in agree, batches do not matter, and what
// cannot be classified is refused. Also how a directory says what it classifies.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/loaders/support.h"
#include "tests/support/float_models.h"

#include <qe/image_classifier.h>
#include <qe/load.h>
#include <qe/plan.h>
#include <qe/text_classifier.h>

namespace {

namespace fs = std::filesystem;
using qe::Classification;
using qe::Image;
using qe::ImageClassifier;
using qe::test::error_of;
using qe::test::TempDir;

const fs::path kRoot = QE_SOURCE_DIR;
const fs::path kShapes = kRoot / "models/tiny-shapes";
const fs::path kImages = kRoot / "data/demo-shapes/images";
const fs::path kVit = kRoot / "tests/data/image_models/vit-hugging-face-narrow";

fs::path image_file(int number) {
  const std::string digits = std::to_string(number);
  return kImages / ("test-" + std::string(3 - digits.size(), '0') + digits + ".png");
}

void check_same(const Classification& a, const Classification& b) {
  CHECK(a.label == b.label);
  REQUIRE(a.logits.size() == b.logits.size());
  for (std::size_t i = 0; i < a.logits.size(); ++i) {
    CHECK(std::fabs(a.logits[i] - b.logits[i]) < 1e-4F);
  }
}

TEST_CASE("a file, an image and prepared pixels have one answer, in any batch") {
  if (qe::test::skip_float("classifying images")) return;
  auto classifier = ImageClassifier::open(kShapes, {.threads = 2, .max_images = 4});
  CHECK(classifier.labels() ==
        std::vector<std::string>{"circle", "square", "triangle", "star", "cross", "ring"});
  CHECK(classifier.problem() == qe::ProblemType::kSingleLabel);
  CHECK(classifier.input().width == 32);
  CHECK(classifier.plan().image_bytes() == 32 * 32 * 3);
  CHECK(classifier.model().architecture == "resnet8_cifar");
  std::vector<Image> images;
  std::vector<std::uint8_t> pixels;
  std::vector<Classification> single;
  constexpr int kCount = 11;  // two full runs and a part of one
  for (int i = 0; i < kCount; ++i) {
    images.push_back(qe::decode_image(image_file(i)));
    pixels.insert(pixels.end(), images.back().rgb.begin(), images.back().rgb.end());
    single.push_back(classifier.classify(image_file(i)));
    check_same(classifier.classify(images.back()), single.back());
  }
  const auto together = classifier.classify(images);
  const auto prepared = classifier.classify_pixels(pixels);
  REQUIRE(together.size() == kCount);
  REQUIRE(prepared.size() == kCount);
  int right = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    check_same(together[i], single[i]);
    check_same(prepared[i], single[i]);
    float sum = 0;
    for (const float p : single[i].probabilities) sum += p;
    CHECK(sum == doctest::Approx(1.0));
    right += single[i].label == static_cast<int>(i % 6) ? 1 : 0;  // shapes come in turn
  }
  CHECK(right >= kCount - 2);
  CHECK(classifier.classify(std::span<const Image>{}).empty());
  CHECK(classifier.classify_pixels({}).empty());
}

TEST_CASE("images of any size are prepared") {
  if (qe::test::skip_float("classifying images")) return;
  auto classifier = ImageClassifier::open(kShapes);
  const Image large =
      qe::resize(qe::decode_image(image_file(0)), 128, 96, qe::Interpolation::kBilinear);
  const Image prepared = qe::preprocess(large, classifier.input());
  check_same(classifier.classify(large), classifier.classify_pixels(prepared.rgb).front());
}

TEST_CASE("what is no image, or not whole, is refused") {
  if (qe::test::skip_float("classifying images")) return;
  auto classifier = ImageClassifier::open(kShapes);
  const std::vector<std::uint8_t> part(32 * 32 * 3 + 1);
  CHECK(error_of<qe::UsageError>([&] { classifier.classify_pixels(part); }).expected ==
        "a multiple of 3072 bytes");
  CHECK(error_of<qe::DataError>([&] {
          classifier.classify(kRoot / "README.md");
        }).file.ends_with("README.md"));
  CHECK(error_of<qe::DataError>([&] {
          classifier.classify(fs::path("/nonexistent.png"));
        }).file.ends_with("nonexistent.png"));
}

TEST_CASE("models of texts and of images are not taken for each other") {
  const auto text = kRoot / "models/tiny-emotion";
  CHECK(error_of<qe::UsageError>([&] { ImageClassifier::open(text); }).file == text.string());
  CHECK(error_of<qe::UsageError>([&] { qe::TextClassifier::open(kShapes); }).file ==
        kShapes.string());
}

TEST_CASE("what a directory classifies") {
  CHECK(qe::input_kind(kRoot / "models/tiny-emotion") == qe::InputKind::kText);
  CHECK(qe::input_kind(kRoot / "tests/data/models/distilbert") == qe::InputKind::kText);
  CHECK(qe::input_kind(kShapes) == qe::InputKind::kImage);
  CHECK(qe::input_kind(kVit) == qe::InputKind::kImage);
  const fs::path state_dict = kRoot / "tests/data/image_models/mobilenet_v2-narrow";
  CHECK(qe::input_kind(state_dict) == qe::InputKind::kImage);
  CHECK(qe::input_kind(state_dict / "mobilenet_v2.safetensors") == qe::InputKind::kImage);
  error_of<qe::LoadError>([] { qe::input_kind("/nonexistent"); });
  const TempDir dir;
  error_of<qe::LoadError>([&] { qe::input_kind(dir.path()); });
  qe::test::write_file(dir / "config.json", R"({"architectures": ["GPT2LMHeadModel"]})");
  CHECK(error_of<qe::UnsupportedError>([&] { qe::input_kind(dir.path()); }).actual ==
        "GPT2LMHeadModel");
}

TEST_CASE("the most probable labels") {
  Classification answer;
  answer.logits = {1.0F, 3.0F, 3.0F, -2.0F};
  CHECK(qe::top_labels(answer, 3) == std::vector{1, 2, 0});
  CHECK(qe::top_labels(answer, 1) == std::vector{1});
  CHECK(qe::top_labels(answer, 9) == std::vector{1, 2, 0, 3});
  CHECK(qe::top_labels(answer, 0).empty());
  CHECK(qe::top_labels(answer, -1).empty());
}

TEST_CASE("Hugging Face's own file says how images are prepared") {
  const TempDir dir;
  const fs::path model = dir / "vit";
  fs::copy(kVit, model);
  const auto input = [&] { return *qe::build_model(qe::load_checkpoint(model)).image; };
  CHECK(input().width == 24);
  qe::test::write_file(model / "preprocessor_config.json",
                       R"({"image_processor_type": "ViTImageProcessor", "resample": 3,
                           "size": {"height": 24, "width": 24}, "image_mean": [0.25, 0.5, 0.75]})");
  CHECK(input().mean[0] == 0.25F);
  CHECK(input().interpolation == qe::Interpolation::kBicubic);
  CHECK(input().resize == qe::ResizeMode::kSquash);
  qe::test::write_file(model / "preprocessor_config.json", R"({"size": 32})");
  const auto other = error_of<qe::LoadError>(input);
  CHECK(other.file.ends_with("preprocessor_config.json"));
  CHECK(other.expected == "24 x 24");
  CHECK(other.actual == "32 x 32");
  qe::test::write_file(model / "preprocessor_config.json", "{");
  CHECK(error_of<qe::LoadError>(input).file.ends_with("preprocessor_config.json"));
}

}  // namespace
