// tokenizer_config.json: the settings transformers keeps beside the tokenizer proper.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include "tokenizer/definition.h"
#include "tokenizer/json_document.h"

namespace qe::tokenizer {
namespace {

constexpr std::int64_t kMaxId = std::numeric_limits<std::int32_t>::max() - 1;

// A special token is given as a string or as an object with its "content".
std::optional<std::string> read_special_token(const JsonView& config, std::string_view key) {
  const std::optional<JsonView> value = config.find_value(key);
  if (!value) return std::nullopt;
  return value->is_object() ? value->at("content").string() : value->string();
}

// Tokenizers without a limit write a huge number, such as 1e30.
std::optional<std::int64_t> read_max_length(const JsonView& config) {
  const std::optional<JsonView> value = config.find_value("model_max_length");
  if (!value) return std::nullopt;
  const double length = value->number();
  if (!(length >= 1)) value->fail("not an allowed value", "a positive number");
  constexpr auto kLargest = static_cast<double>(std::numeric_limits<std::int32_t>::max());
  return static_cast<std::int64_t>(std::min(std::floor(length), kLargest));
}

std::vector<AddedToken> read_added_tokens(const JsonView& config) {
  std::vector<AddedToken> tokens;
  const std::optional<JsonView> decoder = config.find_value("added_tokens_decoder");
  if (!decoder) return tokens;
  for (const auto& [key, value] : decoder->members()) {
    std::int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id < 0 || id > kMaxId) {
      value.fail("the key is not an id");
    }
    tokens.push_back({.content = value.at("content").string(),
                      .id = id,
                      .single_word = value.boolean_or("single_word", false),
                      .lstrip = value.boolean_or("lstrip", false),
                      .rstrip = value.boolean_or("rstrip", false),
                      .normalized = value.boolean_or("normalized", false)});
  }
  std::sort(tokens.begin(), tokens.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  return tokens;
}

// Options of older releases that change the ids and that nothing here follows.
void refuse_other_schemes(const JsonView& config) {
  constexpr std::array kSupported = {"BertTokenizer",           "BertTokenizerFast",
                                     "DistilBertTokenizer",     "DistilBertTokenizerFast",
                                     "PreTrainedTokenizerFast", "TokenizersBackend"};
  if (const auto name = config.find_value("tokenizer_class")) {
    if (std::find(kSupported.begin(), kSupported.end(), name->string()) == kSupported.end()) {
      name->refuse("unsupported tokenizer", "BertTokenizer or DistilBertTokenizer");
    }
  }
  if (const auto side = config.find_value("truncation_side"); side && side->string() != "right") {
    side->refuse("unsupported truncation", "right");
  }
  if (const auto basic = config.find_value("do_basic_tokenize"); basic && !basic->boolean()) {
    basic->refuse("unsupported option", "true");
  }
  if (const auto words = config.find_value("never_split"); words && !words->elements().empty()) {
    words->refuse("unsupported option", "null");
  }
}

}  // namespace

ConfigSettings read_tokenizer_config(std::string_view text, const std::string& file) {
  const nlohmann::json root = parse_json(text, file);
  const JsonView config(root, file);
  refuse_other_schemes(config);
  const auto boolean = [&](std::string_view key) {
    const std::optional<JsonView> value = config.find_value(key);
    return value ? std::optional(value->boolean()) : std::nullopt;
  };
  ConfigSettings settings;
  settings.file = file;
  settings.do_lower_case = boolean("do_lower_case");
  settings.tokenize_chinese_chars = boolean("tokenize_chinese_chars");
  if (config.find("strip_accents")) settings.strip_accents = boolean("strip_accents");
  settings.unk_token = read_special_token(config, "unk_token");
  settings.cls_token = read_special_token(config, "cls_token");
  settings.sep_token = read_special_token(config, "sep_token");
  settings.pad_token = read_special_token(config, "pad_token");
  settings.mask_token = read_special_token(config, "mask_token");
  settings.model_max_length = read_max_length(config);
  settings.added_tokens = read_added_tokens(config);
  return settings;
}

}  // namespace qe::tokenizer
