// Image architectures without weights: every name of the list has the parameters its paper's
// authors or its library count, and what contradicts a network is a typed error by name.
#include <functional>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "engine/models/image_builder.h"
#include "engine/models/recognize.h"

#include <qe/error.h>
#include <qe/model.h>

namespace {

qe::Config config_of(const std::string& json) { return qe::Config::parse(json, "config.json"); }

std::string timm(const std::string& architecture, const std::string& more = "") {
  return R"({"num_classes": 1000, "architecture": ")" + architecture + "\"" + more + "}";
}

qe::Model outline(const std::string& json) {
  return qe::build_model({.config = config_of(json), .outline = true});
}

// Trained parameters: all constants but the statistics of batch norms.
std::int64_t parameters(const qe::Model& model) {
  std::int64_t count = 0;
  for (const qe::Value& value : model.graph.values) {
    if (value.constant.empty() || value.name.find("running_") != std::string::npos) continue;
    count += qe::element_count(value.shape);
  }
  return count;
}

// A checkpoint of zeros with the tensors that the config asks for.
qe::Checkpoint zeros(const std::string& json) {
  qe::Checkpoint checkpoint{.config = config_of(json), .source = "model"};
  for (const qe::Value& value : outline(json).graph.values) {
    if (value.constant.empty()) continue;
    const qe::Shape& shape = value.constant[0].shape;
    const auto size = static_cast<std::size_t>(qe::element_count(shape));
    checkpoint.tensors[value.name] = {
        .tensor = qe::make_tensor(shape, std::vector<float>(size)), .quant = {}, .file = "model"};
  }
  return checkpoint;
}

template <typename E>
qe::ErrorDetail error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const E& e) {
    return e.detail();
  }
  FAIL("nothing was thrown");
  return {};
}

qe::ErrorDetail unsupported(const std::string& json) {
  return error_of<qe::UnsupportedError>([&] { outline(json); });
}

const std::string kCifar = R"({"architecture": "resnet8_cifar", "num_classes": 3,
                               "pretrained_cfg": {"input_size": [3, 32, 32]})";

TEST_CASE("networks have the parameters that their libraries count") {
  const auto check = [](const std::string& name, std::int64_t count) {
    CAPTURE(name);
    CHECK(parameters(outline(timm(name))) == count);
  };
  check("resnet18", 11'689'512);
  check("resnet34", 21'797'672);
  check("resnet50", 25'557'032);
  check("resnet50.a1_in1k", 25'557'032);
  check("resnet101", 44'549'160);
  check("resnet152", 60'192'808);
  check("resnext50_32x4d", 25'028'904);
  check("wide_resnet50_2", 68'883'240);
  check("mobilenetv2_050", 1'968'680);
  check("mobilenetv2_100.ra_in1k", 3'504'872);
  check("mobilenetv2_110d", 4'516'520);
  check("mobilenetv2_120d", 5'831'144);
  check("mobilenetv2_140", 6'108'776);
  check("efficientnet_b0", 5'288'548);
  check("tf_efficientnet_b0", 5'288'548);
  check("squeezenet1_0", 1'248'424);
  check("squeezenet1_1", 1'235'496);
  check("vit_tiny_patch16_224", 5'717'416);
  check("vit_small_patch16_224.augreg_in21k_ft_in1k", 22'050'664);
  check("vit_base_patch16_224", 86'567'656);
  check("vit_base_patch32_224", 88'224'232);
}

TEST_CASE("the input size sets the geometry") {
  const qe::Model model = outline(timm("tf_efficientnet_b0", R"(, "pretrained_cfg": {
      "input_size": [3, 75, 101], "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]})"));
  REQUIRE(model.image.has_value());
  CHECK(model.image->height == 75);
  CHECK(model.image->width == 101);
  for (const qe::Value& value : model.graph.values) {  // ceil of half, five times
    if (value.name == "conv_stem") CHECK(value.shape == qe::Shape{qe::kSequences, 38, 51, 32});
    if (value.name == "conv_head") CHECK(value.shape == qe::Shape{qe::kSequences, 3, 4, 1280});
  }
  const auto small = error_of<qe::LoadError>(
      [] { outline(timm("squeezenet1_1", R"(, "pretrained_cfg": {"input_size": [3, 2, 2]})")); });
  CHECK(small.name == "features.0");
}

TEST_CASE("architectures and arguments that are not computed are refused by name") {
  const auto unknown = unsupported(timm("resnet50d"));
  CHECK(unknown.name == "architecture");
  CHECK(unknown.actual == "resnet50d");
  CHECK(unknown.expected.find("mobilenetv2_#") != std::string::npos);
  for (const char* name : {"resnet", "resnet20", "mobilenetv2_", "mobilenetv2_100x",
                           "mobilenetv2_0", "mobilenetv2_2000", "resnet19_cifar", "resnet2_cifar",
                           "vit_tiny_patch16", "vit_base_patch16_clip_224", "vit_tiny_patch0_224",
                           "vit_tiny_patch99999_224", "efficientnet_b1"}) {
    CHECK(unsupported(timm(name)).name == "architecture");
  }
  const auto argument = [](const std::string& name, const std::string& text) {
    return unsupported(timm(name, R"(, "model_args": )" + text)).name;
  };
  CHECK(argument("resnet50", R"({"output_stride": 8})") == "model_args.output_stride");
  CHECK(argument("resnet50", R"({"in_chans": 1})") == "model_args.in_chans");
  CHECK(argument("resnet50", R"({"global_pool": "max"})") == "model_args.global_pool");
  CHECK(argument("vit_tiny_patch16_224", R"({"global_pool": "avg"})") == "model_args.global_pool");
  CHECK(argument("mobilenetv2_100", R"({"pad_type": "valid"})") == "model_args.pad_type");
  CHECK(unsupported(R"({"architecture": "resnet20_cifar", "num_classes": 10, "shortcut": "B"})")
            .name == "shortcut");
}

TEST_CASE("strides, groups and sizes of zero in a config") {
  const auto refused = [](const std::string& name, const std::string& arguments) {
    return error_of<qe::LoadError>([&] { outline(timm(name, R"(, "model_args": )" + arguments)); })
        .name;
  };
  CHECK(refused("resnext50_32x4d", R"({"cardinality": 0})") == "model_args.cardinality");
  CHECK(refused("resnet50", R"({"base_width": 0})") == "model_args.base_width");
  CHECK(refused("vit_tiny_patch16_224", R"({"patch_size": 0})") == "model_args.patch_size");
  CHECK(refused("vit_tiny_patch16_224", R"({"num_heads": 0})") == "model_args.num_heads");
  CHECK(refused("vit_tiny_patch16_224", R"({"num_heads": 5})") == "model_args.num_heads");
  CHECK(refused("mobilenetv2_100", R"({"bn_eps": 0})") == "model_args.bn_eps");
  CHECK(refused("resnet18", R"({"cardinality": 2})") == "model_args.cardinality");
  const std::string vit = R"({"architectures": ["ViTForImageClassification"], "hidden_size": 32,
      "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64, "num_classes": 2)";
  CHECK_NOTHROW(outline(vit + "}"));
  CHECK(error_of<qe::LoadError>([&] { outline(vit + R"(, "patch_size": 0})"); }).name ==
        "patch_size");
  CHECK(error_of<qe::LoadError>([&] { outline(vit + R"(, "num_channels": 1})"); }).name ==
        "num_channels");
}

TEST_CASE("a builder refuses a convolution without stride, groups or kernel") {
  const qe::Checkpoint checkpoint{.config = config_of(kCifar + "}"), .outline = true};
  for (const qe::ConvShape shape :
       {qe::ConvShape{.stride = 0}, qe::ConvShape{.groups = 0}, qe::ConvShape{.kernel = 0},
        qe::ConvShape{.dilation = 0}, qe::ConvShape{.groups = 2}, qe::ConvShape{.padding = -3}}) {
    qe::ImageModelBuilder b(checkpoint);
    const auto image = b.image();
    CHECK(error_of<qe::GraphError>([&] { b.conv(image, "c", 8, shape); }).name == "c");
  }
  qe::ImageModelBuilder b(checkpoint);
  const auto image = b.image();
  CHECK(error_of<qe::GraphError>([&] { b.max_pool(image, "p", 3, 0, 1); }).name == "p");
}

TEST_CASE("tensors that do not match the stages, and labels that do not match the head") {
  const qe::Checkpoint sound = zeros(kCifar + R"(, "label_names": ["a", "b", "c"]})");
  CHECK(qe::build_model(sound).labels == std::vector<std::string>{"a", "b", "c"});
  const auto refused = [&](const std::function<void(qe::Checkpoint&)>& change) {
    qe::Checkpoint checkpoint = sound;
    change(checkpoint);
    return error_of<qe::LoadError>([&] { qe::build_model(checkpoint); });
  };
  const std::string conv = "layer2.0.conv1.weight";
  const auto shape = refused([&](auto& c) { c.tensors[conv].tensor.shape = {16, 32, 3, 3}; });
  CHECK(shape.name == conv);
  CHECK(shape.expected == "[32, 16, 3, 3]");
  CHECK(shape.actual == "[16, 32, 3, 3]");
  CHECK(refused([&](auto& c) { c.tensors.erase(conv); }).problem == "missing tensor");
  CHECK(refused([&](auto& c) { c.tensors["layer3.1.conv1.weight"] = c.tensors[conv]; }).name ==
        "layer3.1.conv1.weight");
  CHECK(refused([&](auto& c) { c.tensors.erase("linear.weight"); }).name == "linear.weight");
  const auto with = [&](const std::string& more) {
    return refused([&](auto& c) { c.config = config_of(kCifar + more + "}"); });
  };
  CHECK(with(R"(, "label_names": ["a", "b"])").name == "label_names");
  CHECK(with(R"(, "label_names": [1, 2, 3])").name == "label_names");
  CHECK(refused([&](auto& c) {
          c.config = config_of(R"({"architecture": "resnet8_cifar", "num_classes": 4})");
        }).name == "num_classes");
  CHECK(refused([&](auto& c) {
          c.config = config_of(R"({"architecture": "resnet14_cifar", "num_classes": 3})");
        }).name == "layer1.1.conv1.weight");
}

TEST_CASE("positions must fit the image") {
  const std::string head = R"({"architecture": "vit_tiny_patch16_224", "num_classes": 2,
      "model_args": {"embed_dim": 32, "depth": 1, "num_heads": 2},
      "pretrained_cfg": {"input_size": [3, )";
  qe::Checkpoint checkpoint = zeros(head + "48, 64]}}");
  CHECK(qe::build_model(checkpoint).max_positions == 1 + 3 * 4);
  checkpoint.config = config_of(head + "64, 64]}}");
  const auto detail = error_of<qe::LoadError>([&] { qe::build_model(checkpoint); });
  CHECK(detail.name == "pos_embed");
  CHECK(detail.expected == "[1, 17, 32]");
  CHECK(detail.actual == "[1, 13, 32]");
}

TEST_CASE("bare state dicts are recognized by their tensors") {
  for (const char* name : {"resnet18", "resnet34", "resnet50", "resnext50_32x4d", "wide_resnet50_2",
                           "squeezenet1_0", "squeezenet1_1"}) {
    const qe::Checkpoint bare = zeros(timm(name));
    const qe::Config config = qe::recognize_architecture(bare.tensors, "file");
    CHECK(config.string("architecture") == name);
    CHECK(qe::build_model({.config = config, .tensors = bare.tensors}).labels.size() == 1000);
  }
  const auto cifar = qe::recognize_architecture(zeros(kCifar + "}").tensors, "file");
  CHECK(cifar.string("architecture") == "resnet8_cifar");
  for (const std::string name : {"vit_tiny_patch16_224", "mobilenetv2_100"}) {
    const auto detail = error_of<qe::UnsupportedError>(
        [&] { qe::recognize_architecture(zeros(timm(name)).tensors, "file"); });
    CHECK(detail.file == "file");
    CHECK(detail.expected.find("resnext50_32x4d") != std::string::npos);
  }
}

}  // namespace
