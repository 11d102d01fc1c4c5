// Rendering of checkpoints and plans.
#include "tools/inspect/tables.h"

#include "tools/support/models.h"

namespace qe::tools {
namespace {

std::string count_text(std::int64_t value) { return std::to_string(value); }

Json quant_json(const std::optional<QuantParams>& quant) {
  return quant ? Json(quant_text(*quant)) : Json(nullptr);
}

std::string quant_cell(const std::optional<QuantParams>& quant) {
  return quant ? quant_text(*quant) : "float";
}

std::string capacity_text(const Plan& plan) {
  if (plan.image_bytes() > 0) return std::to_string(plan.images_at_once()) + " images at once";
  return std::to_string(plan.max_tokens()) + " tokens in " + std::to_string(plan.max_sequences()) +
         " texts";
}

std::string size_text(int width, int height) {
  return std::to_string(width) + " x " + std::to_string(height);
}

// What happens to an image before the network sees it.
std::string input_text(const ImageInput& input) {
  std::string text = "centre " + size_text(input.width, input.height);
  if (input.resize == ResizeMode::kNone) return text + " of the image";
  text += input.resize == ResizeMode::kSquash ? " of the image squashed to "
                                              : " of the image resized to cover ";
  text += size_text(input.resize_width, input.resize_height);
  return text + (input.interpolation == Interpolation::kBicubic ? ", bicubic" : ", bilinear");
}

std::string normalization_text(const ImageInput& input) {
  std::string text = "mean";
  for (const float x : input.mean) text += " " + fixed(x, 4);
  text += ", deviation";
  for (const float x : input.std) text += " " + fixed(x, 4);
  return text;
}

}  // namespace

std::string quant_text(const QuantParams& quant) {
  std::string text(name(quant.storage));
  if (quant.dynamic) return text.append(" per token, dynamic");
  switch (quant.granularity) {
    case Granularity::kTensor:
      text.append(" scale ").append(quant.scale.empty() ? "?" : fixed(quant.scale[0], 7));
      if (!quant.zero_point.empty()) {
        text.append(" zero point ").append(std::to_string(quant.zero_point[0]));
      }
      return text;
    case Granularity::kChannel:
      return text.append(" per channel, ").append(std::to_string(quant.scale.size())) + " scales";
    case Granularity::kInputChannel:
      return text.append(" per pair of channels, ").append(std::to_string(quant.scale.size())) +
             " scales";
    case Granularity::kToken:
      return text.append(" per token");
  }
  return text;
}

Table model_table(const Checkpoint& checkpoint, const Model& model) {
  std::string labels;
  for (const std::string& label : model.labels) labels += (labels.empty() ? "" : ", ") + label;
  Table table{.title = checkpoint.source, .header = {"property", "value"}, .text_columns = 2};
  table.rows = {{"architecture", model.architecture},
                {"scheme", scheme_name(model)},
                {"parameters", count_text(model.parameters)},
                {"weight bytes", count_text(model.weight_bytes)},
                {"bytes over 4 x parameters", fixed(25.0 * static_cast<double>(model.weight_bytes) /
                                                        static_cast<double>(model.parameters),
                                                    1) +
                                                  " %"}};
  auto& rows = table.rows;
  if (model.image) {
    rows.push_back({"input", input_text(*model.image)});
    rows.push_back({"normalization", normalization_text(*model.image)});
  } else {
    rows.push_back({"vocabulary", count_text(model.vocab_size)});
    rows.push_back({"positions", count_text(model.max_positions)});
    rows.push_back({"token types", count_text(model.type_vocab_size)});
  }
  rows.push_back(
      {"problem", model.problem == ProblemType::kMultiLabel ? "multi-label" : "single-label"});
  rows.push_back({"labels", labels});
  return table;
}

Table stored_tensor_table(const Checkpoint& checkpoint) {
  Table table{.title = "Tensors",
              .header = {"tensor", "quantization", "dtype", "shape", "bytes"},
              .text_columns = 4};
  for (const auto& [tensor_name, stored] : checkpoint.tensors) {
    table.rows.push_back({tensor_name, quant_cell(stored.quant),
                          std::string(name(stored.tensor.dtype)), to_string(stored.tensor.shape),
                          std::to_string(stored.tensor.bytes.size())});
  }
  return table;
}

Table activation_table(const Checkpoint& checkpoint) {
  Table table{.title = "Activations", .header = {"module", "input", "output"}, .text_columns = 3};
  for (const auto& [module, quant] : checkpoint.activations) {
    table.rows.push_back({module, quant_cell(quant.input), quant_cell(quant.output)});
  }
  return table;
}

Table step_table(const Plan& plan) {
  Table table{.title = "Steps of the plan (" + std::string(name(plan.isa())) + ")",
              .header = {"#", "step", "kernel", "MAC/row", "weight bytes"},
              .text_columns = 3};
  for (std::size_t i = 0; i < plan.steps().size(); ++i) {
    const StepInfo& step = plan.steps()[i];
    table.rows.push_back({std::to_string(i), step.name, step.kernel, count_text(step.macs_per_row),
                          std::to_string(step.weight_bytes)});
  }
  return table;
}

Table arena_table(const Plan& plan) {
  Table table{
      .title = "Arena: " + std::to_string(plan.arena_bytes()) + " bytes for " + capacity_text(plan),
      .header = {"buffer", "dtype", "rows", "row elements", "bytes", "offset", "steps"},
      .text_columns = 2};
  for (const ArenaBuffer& buffer : plan.buffers()) {
    table.rows.push_back(
        {buffer.value, std::string(name(buffer.dtype)), count_text(buffer.rows),
         count_text(buffer.row_elements), std::to_string(buffer.bytes),
         std::to_string(buffer.offset),
         std::to_string(buffer.first_step) + "-" + std::to_string(buffer.last_step)});
  }
  return table;
}

Table pass_table(const std::vector<PassTrace>& passes) {
  Table table{.title = "Passes, in order", .header = {"pass", "nodes before", "nodes after"}};
  for (const PassTrace& pass : passes) {
    table.rows.push_back(
        {pass.name, std::to_string(pass.nodes_before), std::to_string(pass.nodes_after)});
  }
  return table;
}

Json inspection_json(const Checkpoint& checkpoint, const Model& model, const Plan& plan,
                     const std::vector<PassTrace>& passes) {
  Json tensors = Json::array();
  for (const auto& [tensor_name, stored] : checkpoint.tensors) {
    tensors.push_back({{"name", tensor_name},
                       {"dtype", name(stored.tensor.dtype)},
                       {"shape", stored.tensor.shape},
                       {"bytes", stored.tensor.bytes.size()},
                       {"quantization", quant_json(stored.quant)}});
  }
  Json steps = Json::array();
  for (const StepInfo& step : plan.steps()) {
    steps.push_back({{"name", step.name},
                     {"kernel", step.kernel},
                     {"macs_per_row", step.macs_per_row},
                     {"weight_bytes", step.weight_bytes}});
  }
  Json buffers = Json::array();
  for (const ArenaBuffer& buffer : plan.buffers()) {
    buffers.push_back({{"value", buffer.value},
                       {"dtype", name(buffer.dtype)},
                       {"rows", buffer.rows},
                       {"row_elements", buffer.row_elements},
                       {"bytes", buffer.bytes},
                       {"offset", buffer.offset},
                       {"first_step", buffer.first_step},
                       {"last_step", buffer.last_step}});
  }
  Json trace = Json::array();
  for (const PassTrace& pass : passes) {
    trace.push_back({{"name", pass.name},
                     {"nodes_before", pass.nodes_before},
                     {"nodes_after", pass.nodes_after}});
  }
  return {{"architecture", model.architecture},
          {"scheme", scheme_name(model)},
          {"parameters", model.parameters},
          {"weight_bytes", model.weight_bytes},
          {"labels", model.labels},
          {"isa", name(plan.isa())},
          {"arena_bytes", plan.arena_bytes()},
          {"resident_weight_bytes", plan.weight_bytes()},
          {"tensors", tensors},
          {"steps", steps},
          {"arena", buffers},
          {"passes", trace}};
}

}  // namespace qe::tools
