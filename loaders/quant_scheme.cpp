// Parsing of `quantization_config`. Specification: vllm-project/compressed-tensors 0.20
// (quantization/quant_config.py, quant_scheme.py, quant_args.py).
#include "loaders/quant_scheme.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include <qe/error.h>

namespace qe {
namespace {

constexpr std::size_t kMaxGroups = 64;

[[noreturn]] void unsupported(const Config& config, const std::string& key, std::string expected,
                              std::string actual) {
  throw UnsupportedError({.problem = "quantization scheme is not supported",
                          .file = config.file(),
                          .name = "quantization_config: " + key,
                          .expected = std::move(expected),
                          .actual = std::move(actual)});
}

// A key whose value does not matter here, or that must equal one of `allowed` (compact JSON).
struct KeyRule {
  std::string_view key;
  bool any = false;
  std::vector<std::string_view> allowed = {};
};

// Every non-null key of `config` must satisfy its rule; a key without rule is not supported.
void check_keys(const Config& config, const std::string& where, const std::vector<KeyRule>& rules) {
  for (const auto& item : config.items()) {
    const std::string& key = item.first;
    const std::string& value = item.second;
    if (value == "null") continue;
    const auto rule =
        std::find_if(rules.begin(), rules.end(), [&](const KeyRule& r) { return r.key == key; });
    if (rule == rules.end()) unsupported(config, where + key, "no such key", value);
    if (rule->any) continue;
    if (std::find(rule->allowed.begin(), rule->allowed.end(), value) == rule->allowed.end()) {
      std::string expected(rule->allowed.empty() ? "null" : rule->allowed.front());
      for (std::size_t i = 1; i < rule->allowed.size(); ++i) {
        expected += " or " + std::string(rule->allowed[i]);
      }
      unsupported(config, where + key, expected, value);
    }
  }
}

// Keys that only steer how scales were found.
const std::vector<KeyRule>& calibration_rules() {
  static const std::vector<KeyRule> rules = {
      {"num_bits", false, {"8"}}, {"type", false, {"\"int\""}},
      {"block_structure"},        {"actorder", false, {"false", "\"weight\"", "\"static\""}},
      {"scale_dtype", true},      {"zp_dtype", true},
      {"observer", true},         {"observer_kwargs", true}};
  return rules;
}

std::vector<KeyRule> with_calibration_rules(std::initializer_list<KeyRule> rules) {
  std::vector<KeyRule> all = calibration_rules();
  all.insert(all.end(), rules);
  return all;
}

void parse_weights(const Config& args, const std::string& where, QuantGroup& out) {
  check_keys(
      args, where,
      with_calibration_rules({{"symmetric", false, {"true"}},
                              {"strategy", false, {"\"channel\"", "\"tensor\"", "\"group\""}},
                              {"group_size", true},
                              {"dynamic", false, {"false"}}}));
  const std::string strategy = args.string("strategy");
  if (strategy == "group") {
    if (!args.has("group_size")) {
      unsupported(args, where + "strategy", "group with a group_size", "group without one");
    }
    out.weights = Granularity::kInputChannel;
    out.group_size = args.integer("group_size", 1, 1 << 16);
    return;
  }
  args.integer_or("group_size", -1, -1, -1);
  out.weights = strategy == "channel" ? Granularity::kChannel : Granularity::kTensor;
}

QuantParams parse_input(const Config& args, const std::string& where) {
  const bool dynamic = args.boolean_or("dynamic", false);
  if (dynamic) {
    check_keys(args, where,
               with_calibration_rules({{"symmetric", false, {"true"}},
                                       {"group_size", false, {"-1"}},
                                       {"strategy", false, {"\"token\""}},
                                       {"dynamic", true}}));
    return {.storage = DType::kU8, .granularity = Granularity::kToken, .dynamic = true};
  }
  check_keys(args, where,
             with_calibration_rules({{"symmetric", false, {"true", "false"}},
                                     {"group_size", false, {"-1"}},
                                     {"strategy", false, {"\"tensor\""}},
                                     {"dynamic", true}}));
  return {.storage = DType::kU8, .granularity = Granularity::kTensor};
}

QuantGroup parse_group(const Config& group, const std::string& name) {
  const std::string where = "config_groups." + name + ".";
  check_keys(group, where,
             {{"targets", true},
              {"weights", true},
              {"input_activations", true},
              {"output_activations"},
              {"format", false, {"\"int-quantized\""}}});
  QuantGroup out{.name = name, .targets = {}, .weights = Granularity::kTensor, .input = {}};
  parse_weights(group.object("weights"), where + "weights.", out);
  for (std::string& target : group.strings("targets")) {
    if (target.starts_with("re:")) {
      unsupported(group, where + "targets", "module names or classes", target);
    }
    out.targets.insert(std::move(target));
  }
  if (group.has("input_activations")) {
    out.input = parse_input(group.object("input_activations"), where + "input_activations.");
  }
  return out;
}

}  // namespace

QuantScheme parse_quant_scheme(const Config& config) {
  const std::string method = config.string("quant_method");
  if (method != "compressed-tensors") {
    unsupported(config, "quant_method", "compressed-tensors", method);
  }
  check_keys(config, "",
             {{"quant_method", true},
              {"version", true},
              {"format", false, {"\"int-quantized\""}},
              {"quantization_status", false, {"\"compressed\""}},
              {"global_compression_ratio", true},
              {"ignore", true},
              {"kv_cache_scheme"},
              {"config_groups", true},
              {"sparsity_config", false, {"{}"}},
              {"moe_sparsity_config"},
              {"transform_config", false, {"{}"}}});
  config.string("format");
  QuantScheme scheme;
  const Config groups = config.object("config_groups");
  if (groups.items().size() > kMaxGroups) {
    unsupported(config, "config_groups", "at most " + std::to_string(kMaxGroups) + " groups",
                std::to_string(groups.items().size()));
  }
  for (const auto& [name, text] : groups.items()) {
    scheme.groups.push_back(parse_group(groups.object(name), name));
  }
  if (config.has("ignore")) {
    for (std::string& name : config.strings("ignore")) scheme.ignored.insert(std::move(name));
  }
  return scheme;
}

}  // namespace qe
