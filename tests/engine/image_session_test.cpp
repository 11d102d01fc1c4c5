// Image networks in integers: the same bits for every instruction set, thread count and batch,
// close to the float network; what the passes make of them; refusal of what does not fit.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include <doctest/doctest.h>

#include "tests/engine/random_images.h"
#include "tests/support/float_models.h"

#include <qe/error.h>
#include <qe/quantize.h>
#include <qe/session.h>

namespace {

using qe::test::random_image_model;
using qe::test::random_pixels;

constexpr int kClasses = 7;
constexpr int kImages = 3;

struct Network {
  const char* architecture;
  int size;
  double sqnr_db;  // of integer logits, at least
};
// Every kind of layer: residuals, option A shortcuts, concatenation, depthwise, squeeze and
// excitation by tables, groups, tokens. Odd sizes leave tails everywhere.
constexpr Network kNetworks[] = {{"resnet18", 45, 20},        {"resnet8_cifar", 33, 25},
                                 {"mobilenetv2_050", 47, 12}, {"efficientnet_b0", 45, 10},
                                 {"squeezenet1_1", 51, 20},   {"vit_tiny_patch16_224", 48, 20}};

std::vector<float> run(const std::shared_ptr<const qe::Plan>& plan, int threads,
                       std::span<const std::uint8_t> pixels) {
  qe::Session session(plan, {.threads = threads});
  const auto logits = session.run(qe::ImageBatch{.pixels = pixels});
  return {logits.begin(), logits.end()};
}

std::shared_ptr<const qe::Plan> compile(const qe::Checkpoint& checkpoint,
                                        qe::Isa isa = qe::default_isa()) {
  return qe::Plan::compile(qe::build_model(checkpoint), {.max_sequences = kImages, .isa = isa});
}

qe::Calibration calibration_of(const qe::Checkpoint& checkpoint, int size, int threads = 2) {
  const std::vector<std::uint8_t> pixels = random_pixels(6, size, 5);
  const std::size_t one = pixels.size() / 6;
  std::size_t next = 0;
  return qe::calibrate(
      qe::build_model(checkpoint),
      [&](std::vector<std::uint8_t>& image) {
        if (next == pixels.size()) return false;
        const auto begin = pixels.begin() + static_cast<std::ptrdiff_t>(next);
        image.assign(begin, begin + static_cast<std::ptrdiff_t>(one));
        next += one;
        return true;
      },
      threads);
}

qe::Checkpoint quantized(const qe::Checkpoint& checkpoint, int size,
                         const qe::QuantizeOptions& options = {}) {
  const qe::Calibration calibration = calibration_of(checkpoint, size);
  return qe::quantize(checkpoint, options, &calibration);
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

double sqnr_db(const std::vector<float>& exact, const std::vector<float>& other) {
  double signal = 0;
  double noise = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    signal += double{exact[i]} * exact[i];
    noise += (double{exact[i]} - other[i]) * (double{exact[i]} - other[i]);
  }
  return 10.0 * std::log10(signal / noise);
}

std::string kernels_of(const qe::Plan& plan) {
  std::string text;
  for (const qe::StepInfo& step : plan.steps()) text += step.name + ": " + step.kernel + "\n";
  return text;
}

TEST_CASE("integer image networks are bit-equal everywhere and close to float") {
  if (qe::test::skip_float("calibration")) return;
  for (const Network& network : kNetworks) {
    CAPTURE(network.architecture);
    const qe::Checkpoint checkpoint =
        random_image_model(network.architecture, network.size, kClasses, 11);
    const qe::Checkpoint integers = quantized(checkpoint, network.size);
    const std::vector<std::uint8_t> pixels = random_pixels(kImages, network.size, 77);
    const std::size_t one = pixels.size() / kImages;

    const auto best = compile(integers);
    CHECK_MESSAGE(best->integer(), kernels_of(*best));
    const std::vector<float> expected = run(best, 1, pixels);
    REQUIRE(expected.size() == static_cast<std::size_t>(kImages * kClasses));
    for (const int threads : {2, 3}) CHECK(same_bits(run(best, threads, pixels), expected));
    for (int i = 0; i < kImages; ++i) {  // alone as in company
      const auto alone =
          run(best, 2, std::span(pixels).subspan(static_cast<std::size_t>(i) * one, one));
      CHECK(same_bits(alone,
                      {expected.begin() + i * kClasses, expected.begin() + (i + 1) * kClasses}));
    }
    for (const qe::Isa isa : qe::available_isas()) {
      CAPTURE(qe::name(isa));
      const auto plan = compile(integers, isa);
      CHECK(plan->isa() == isa);
      CHECK(same_bits(run(plan, 2, std::span(pixels).first(one)),
                      {expected.begin(), expected.begin() + kClasses}));
    }
    const std::vector<float> exact = run(compile(checkpoint), 2, pixels);
    CHECK(sqnr_db(exact, expected) > network.sqnr_db);
  }
}

TEST_CASE("more images than the caches hold run group after group, as if alone") {
  if (qe::test::skip_float("calibration")) return;
  constexpr int kMany = 67;
  constexpr int kSize = 65;
  const qe::Checkpoint integers =
      quantized(random_image_model("resnet8_cifar", kSize, kClasses, 11), kSize);
  const auto plan = qe::Plan::compile(qe::build_model(integers), {.max_sequences = kMany});
  REQUIRE(plan->images_at_once() < kMany);
  const std::vector<std::uint8_t> pixels = random_pixels(kMany, kSize, 79);
  const std::vector<float> together = run(plan, 2, pixels);
  REQUIRE(together.size() == static_cast<std::size_t>(kMany * kClasses));
  const std::size_t one = pixels.size() / kMany;
  for (const int i : {0, plan->images_at_once(), kMany / 2, kMany - 1}) {
    const auto alone =
        run(plan, 1, std::span(pixels).subspan(static_cast<std::size_t>(i) * one, one));
    CHECK(
        same_bits(alone, {together.begin() + i * kClasses, together.begin() + (i + 1) * kClasses}));
  }
}

TEST_CASE("float image networks do not depend on threads or batch beyond rounding") {
  if (qe::test::skip_float("float network")) return;
  const qe::Checkpoint checkpoint = random_image_model("resnet18", 45, kClasses, 3);
  const std::vector<std::uint8_t> pixels = random_pixels(kImages, 45, 78);
  const auto plan = compile(checkpoint);
  CHECK_FALSE(plan->integer());
  const std::vector<float> one = run(plan, 1, pixels);
  const std::vector<float> two = run(plan, 2, pixels);
  CHECK(sqnr_db(one, two) > 80.0);
}

TEST_CASE("resident weights include float convolutions") {
  if (qe::test::skip_float("float network")) return;
  const qe::Checkpoint checkpoint = random_image_model("mobilenetv2_050", 47, kClasses, 3);
  const qe::Model model = qe::build_model(checkpoint);
  std::size_t convolutions = 0;
  for (const qe::Node& node : model.graph.nodes) {
    if (!std::holds_alternative<qe::ConvOp>(node.op)) continue;
    convolutions +=
        4 * static_cast<std::size_t>(qe::element_count(model.graph.value(node.inputs[1]).shape));
  }
  for (const int threads : {1, 2}) {
    const auto plan = qe::Plan::compile(model, {.threads = threads, .release_source = false});
    CHECK(plan->weight_bytes() >= convolutions);
    // Reordered once for each number of threads at most, rounded up to whole vectors.
    CHECK(plan->weight_bytes() < 3 * convolutions);
    std::size_t steps = 0;
    for (const qe::StepInfo& step : plan->steps()) steps += step.weight_bytes;
    CHECK(plan->weight_bytes() >= steps);
  }
  const auto mixed = compile(quantized(checkpoint, 47, {.keep_float = "conv_head"}));
  const auto integer = compile(quantized(checkpoint, 47));
  CHECK(mixed->weight_bytes() > integer->weight_bytes());
}

TEST_CASE("blocks become single integer steps") {
  if (qe::test::skip_float("calibration")) return;
  const auto kernels = [](const char* architecture, int size) {
    return kernels_of(
        *compile(quantized(random_image_model(architecture, size, kClasses, 2), size)));
  };
  const std::string residual = kernels("resnet18", 45);
  CHECK(residual.find("conv1: indirect gemm u8s8 relu by saturation -> u8") != std::string::npos);
  CHECK(residual.find("+residual -> u8") != std::string::npos);
  CHECK(residual.find("add") == std::string::npos);
  CHECK(kernels("squeezenet1_1", 51).find("concat u8 in place") != std::string::npos);
  CHECK(kernels("resnet8_cifar", 33).find("pad_channels u8") != std::string::npos);
  const std::string blocks = kernels("efficientnet_b0", 45);
  CHECK(blocks.find("depthwise u8s8 silu by table -> u8") != std::string::npos);
  CHECK(blocks.find("scale_channels u8") != std::string::npos);
  CHECK(blocks.find("conv f32") == std::string::npos);
}

TEST_CASE("parts of a concatenation may have scales of their own") {
  if (qe::test::skip_float("calibration")) return;
  const qe::Checkpoint checkpoint = random_image_model("squeezenet1_1", 51, kClasses, 2);
  qe::Checkpoint integers = quantized(checkpoint, 51);
  const qe::Model model = qe::build_model(integers);
  int changed = 0;
  for (const qe::Node& node : model.graph.nodes) {
    if (!std::holds_alternative<qe::ConcatOp>(node.op)) continue;
    const auto& whole = model.graph.value(node.outputs[0]).quant;
    if (!whole) continue;  // annotated through the pooling behind it
    qe::QuantParams part = *whole;
    part.scale[0] *= 1.25F;
    integers.activations[model.graph.value(node.inputs[0]).name].output = part;
    ++changed;
  }
  REQUIRE(changed >= 4);
  const auto plan = compile(integers);
  CHECK(plan->integer());
  CHECK(kernels_of(*plan).find("concat u8\n") != std::string::npos);
  const std::vector<std::uint8_t> pixels = random_pixels(1, 51, 80);
  const std::vector<float> expected = run(plan, 1, pixels);
  for (const qe::Isa isa : qe::available_isas()) {
    CHECK(same_bits(run(compile(integers, isa), 2, pixels), expected));
  }
  CHECK(sqnr_db(run(compile(checkpoint), 1, pixels), expected) > 20.0);
}

TEST_CASE("calibration does not depend on threads") {
  if (qe::test::skip_float("calibration")) return;
  const qe::Checkpoint checkpoint = random_image_model("resnet8_cifar", 33, kClasses, 4);
  const qe::Calibration one = calibration_of(checkpoint, 33, 1);
  const qe::Calibration three = calibration_of(checkpoint, 33, 3);
  const qe::Checkpoint a = qe::quantize(checkpoint, {}, &one);
  const qe::Checkpoint b = qe::quantize(checkpoint, {}, &three);
  REQUIRE(a.activations.size() == b.activations.size());
  for (const auto& entry : a.activations) {
    const auto& name = entry.first;
    const auto& activation = entry.second;
    CAPTURE(name);
    const qe::ActivationQuant& other = b.activations.at(name);
    if (activation.input) CHECK(activation.input->scale == other.input->scale);
    if (activation.output) CHECK(activation.output->scale == other.output->scale);
  }
}

TEST_CASE("one image that a network explodes on does not set the ranges") {
  if (qe::test::skip_float("calibration")) return;
  const qe::Checkpoint checkpoint = random_image_model("resnet8_cifar", 33, kClasses, 4);
  qe::Calibration calibration = calibration_of(checkpoint, 33);
  const qe::Checkpoint sound = qe::quantize(checkpoint, {}, &calibration);
  for (auto& [name, histogram] : calibration) histogram.add(std::vector<float>(4000, 1000.0F));
  const qe::Checkpoint exploded = qe::quantize(checkpoint, {}, &calibration);
  const qe::Checkpoint widest =
      qe::quantize(checkpoint, {.ranges = qe::RangeObserver::kMinMax}, &calibration);
  for (const auto& entry : sound.activations) {
    const auto& name = entry.first;
    const auto& activation = entry.second;
    if (!activation.input || activation.input->dynamic) continue;
    CAPTURE(name);
    const float with = exploded.activations.at(name).input->scale.at(0);
    CHECK(with < 0.4F * widest.activations.at(name).input->scale.at(0));
    CHECK(with >= 0.9F * activation.input->scale.at(0));
  }
}

TEST_CASE("named layers stay float") {
  if (qe::test::skip_float("calibration")) return;
  const qe::Checkpoint checkpoint = random_image_model("resnet18", 45, kClasses, 6);
  const std::vector<std::uint8_t> pixels = random_pixels(1, 45, 79);
  const std::vector<float> exact = run(compile(checkpoint), 1, pixels);
  for (const char* pattern : {"conv1", "fc", "conv1|fc", "layer2.*", "layer3\\.0\\.conv2"}) {
    CAPTURE(pattern);
    const auto plan = compile(quantized(checkpoint, 45, {.keep_float = pattern}));
    CHECK_FALSE(plan->integer());
    CHECK(kernels_of(*plan).find("f32") != std::string::npos);
    CHECK(sqnr_db(exact, run(plan, 2, pixels)) > 20.0);
  }
  const qe::Calibration calibration = calibration_of(checkpoint, 45);
  CHECK_THROWS_AS(qe::quantize(checkpoint, {.keep_float = "conv("}, &calibration), qe::UsageError);
  CHECK_THROWS_AS(qe::quantize(checkpoint, {.keep_float = "nothing"}, &calibration),
                  qe::UsageError);
}

TEST_CASE("what does not fit is refused") {
  const qe::Checkpoint checkpoint = random_image_model("resnet8_cifar", 33, kClasses, 4);
  const qe::Model model = qe::build_model(checkpoint);
  CHECK(qe::needs_calibration(model));
  CHECK_THROWS_AS(qe::quantize(checkpoint, {}, nullptr), qe::UsageError);
  if (qe::test::skip_float("float network")) return;
  const auto none = [](std::vector<std::uint8_t>&) { return false; };
  CHECK_THROWS_AS(qe::calibrate(model, none, 1), qe::UsageError);
  const auto broken = [](std::vector<std::uint8_t>&) -> bool {
    throw qe::DataError({.problem = "broken image"});
  };
  CHECK_THROWS_AS(qe::calibrate(model, broken, 2), qe::DataError);

  qe::Session session(compile(checkpoint), {});
  const std::vector<std::uint8_t> pixels = random_pixels(kImages + 1, 33, 1);
  const std::size_t one = 33 * 33 * 3;
  CHECK(session.plan().image_bytes() == one);
  CHECK_THROWS_AS(session.run(qe::ImageBatch{.pixels = pixels}), qe::UsageError);
  CHECK_THROWS_AS(session.run(qe::ImageBatch{}), qe::UsageError);
  CHECK_THROWS_AS(session.run(qe::ImageBatch{.pixels = std::span(pixels).first(one + 1)}),
                  qe::UsageError);
  const std::vector<std::int32_t> ids = {1, 2};
  const std::vector<std::int32_t> offsets = {0, 2};
  CHECK_THROWS_AS(session.run(qe::TextBatch{.token_ids = ids, .type_ids = {}, .offsets = offsets}),
                  qe::UsageError);
  CHECK_THROWS_AS(qe::Plan::compile(model, {.max_sequences = 0}), qe::UsageError);
}

}  // namespace
