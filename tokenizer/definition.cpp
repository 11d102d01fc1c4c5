// Brings the files together: tokenizer.json wins over vocab.txt, and what they say twice must
// agree.
#include "tokenizer/definition.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include <qe/error.h>

namespace qe::tokenizer {
namespace {

[[noreturn]] void fail(const std::string& file, std::string name, std::string problem,
                       std::string expected = {}, std::string actual = {}) {
  throw LoadError({.problem = std::move(problem),
                   .file = file,
                   .name = std::move(name),
                   .expected = std::move(expected),
                   .actual = std::move(actual)});
}

std::string quoted(std::string_view text) {
  std::string out(1, '"');
  out.append(text).push_back('"');
  return out;
}

void check_same_vocabulary(const Vocabulary& lines, const std::string& lines_file,
                           const Definition& definition) {
  const Vocabulary& tokens = definition.vocabulary;
  // A directory may list added tokens in vocab.txt too.
  for (int id = 0; id < std::min(lines.size(), tokens.size()); ++id) {
    if (lines.token(id) != trim_end(tokens.token(id))) {
      fail(lines_file, "line " + std::to_string(id + 1), "disagrees with " + definition.file,
           quoted(tokens.token(id)), quoted(lines.token(id)));
    }
  }
  if (lines.size() != tokens.size()) {
    fail(lines_file, "", "disagrees with " + definition.file,
         std::to_string(tokens.size()) + " tokens", std::to_string(lines.size()));
  }
}

void check_same(const ConfigSettings& config, std::string_view key, const std::string& file,
                const std::string& expected, const std::string& actual) {
  if (expected == actual) return;
  fail(config.file, std::string(key), "disagrees with " + file, expected, actual);
}

// What tokenizer_config.json repeats of tokenizer.json.
void check_same_settings(const ConfigSettings& config, const Definition& definition) {
  const auto word = [](bool value) { return std::string(value ? "true" : "false"); };
  const NormalizerOptions& normalizer = definition.normalizer;
  const auto check = [&](std::string_view key, bool expected, std::optional<bool> actual) {
    if (actual) check_same(config, key, definition.file, word(expected), word(*actual));
  };
  check("do_lower_case", normalizer.lowercase, config.do_lower_case);
  check("tokenize_chinese_chars", normalizer.handle_chinese_chars, config.tokenize_chinese_chars);
  if (config.strip_accents) {
    check("strip_accents", normalizer.strip_accents,
          config.strip_accents->value_or(normalizer.lowercase));
  }
  const auto check_token = [&](std::string_view key, std::int32_t id,
                               const std::optional<std::string>& actual) {
    if (!actual) return;
    check_same(config, key, definition.file, std::string(definition.vocabulary.token(id)), *actual);
  };
  check_token("unk_token", definition.unknown_id, config.unk_token);
  check_token("cls_token", definition.cls_id, config.cls_token);
  check_token("sep_token", definition.sep_id, config.sep_token);
}

// Rules that hold whichever file the definition came from.
void check_definition(const Definition& definition) {
  const Vocabulary& vocabulary = definition.vocabulary;
  for (int id = 0; id < vocabulary.size(); ++id) {
    if (vocabulary.token(id).size() > PrefixTable::kMaxKeyBytes) {
      fail(definition.file, "id " + std::to_string(id), "token is too long",
           "at most " + std::to_string(PrefixTable::kMaxKeyBytes) + " bytes",
           std::to_string(vocabulary.token(id).size()));
    }
  }
  std::set<std::string_view> contents;
  std::int32_t next_id = vocabulary.size();
  for (const AddedToken& token : definition.added_tokens) {
    if (token.content.empty() || token.content.size() > PrefixTable::kMaxKeyBytes) {
      fail(definition.file, "added token with id " + std::to_string(token.id),
           "content is empty or too long",
           "1 to " + std::to_string(PrefixTable::kMaxKeyBytes) + " bytes",
           std::to_string(token.content.size()));
    }
    const std::string name = "added token " + quoted(token.content);
    if (!contents.insert(token.content).second) fail(definition.file, name, "given twice");
    if (token.id < vocabulary.size()) {
      if (vocabulary.token(token.id) == token.content) continue;
      fail(definition.file, name, "its id belongs to another token",
           quoted(vocabulary.token(token.id)), quoted(token.content));
    }
    if (token.id != next_id) {
      fail(definition.file, name, "ids are not consecutive", std::to_string(next_id),
           std::to_string(token.id));
    }
    ++next_id;
  }
}

}  // namespace

Definition make_bert_definition(Vocabulary vocabulary, std::string file,
                                const ConfigSettings& config) {
  Definition definition;
  definition.file = std::move(file);
  definition.may_repeat_tokens = true;
  definition.normalizer.lowercase = config.do_lower_case.value_or(true);
  definition.normalizer.handle_chinese_chars = config.tokenize_chinese_chars.value_or(true);
  definition.normalizer.strip_accents =
      config.strip_accents.value_or(std::nullopt).value_or(definition.normalizer.lowercase);
  definition.added_tokens = config.added_tokens;

  // The last line of a repeated token gives its id, as in the peer; a special token has one only.
  const auto find = [&](const std::string& token) {
    std::optional<std::int32_t> found;
    for (int id = 0; id < vocabulary.size(); ++id) {
      if (vocabulary.token(id) != token) continue;
      if (found) {
        fail(definition.file, "line " + std::to_string(id + 1),
             "special token " + quoted(token) + " appears twice");
      }
      found = id;
    }
    return found;
  };
  const auto add = [&](const std::string& token, std::int32_t id) {
    const auto is_same = [&](const AddedToken& other) { return other.content == token; };
    auto& tokens = definition.added_tokens;
    if (std::any_of(tokens.begin(), tokens.end(), is_same)) return;
    AddedToken added;
    added.content = token;
    added.id = id;
    tokens.push_back(std::move(added));
  };
  const auto require = [&](const std::optional<std::string>& name, const char* usual) {
    const std::string token = name.value_or(usual);
    const std::optional<std::int32_t> id = find(token);
    if (!id) fail(definition.file, "", "special token " + quoted(token) + " is missing");
    add(token, *id);
    return *id;
  };
  definition.unknown_id = require(config.unk_token, "[UNK]");
  definition.cls_id = require(config.cls_token, "[CLS]");
  definition.sep_id = require(config.sep_token, "[SEP]");
  // Classification never emits these two, so a vocabulary may do without them.
  for (const std::string& token :
       {config.pad_token.value_or("[PAD]"), config.mask_token.value_or("[MASK]")}) {
    if (const std::optional<std::int32_t> id = find(token)) add(token, *id);
  }
  std::stable_sort(definition.added_tokens.begin(), definition.added_tokens.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  definition.vocabulary = std::move(vocabulary);
  return definition;
}

Definition read_definition(const TokenizerSources& sources) {
  const auto path = [&](const char* name) {
    return sources.directory.empty() ? std::string(name) : sources.directory + "/" + name;
  };
  const std::string lines_file = path("vocab.txt");
  ConfigSettings config;
  if (sources.tokenizer_config_json) {
    config = read_tokenizer_config(*sources.tokenizer_config_json, path("tokenizer_config.json"));
  }
  Definition definition;
  if (sources.tokenizer_json) {
    definition = read_tokenizer_json(*sources.tokenizer_json, path("tokenizer.json"));
    if (sources.vocab_txt) {
      check_same_vocabulary(read_vocab_txt(*sources.vocab_txt, lines_file), lines_file, definition);
    }
    check_same_settings(config, definition);
  } else if (sources.vocab_txt) {
    definition =
        make_bert_definition(read_vocab_txt(*sources.vocab_txt, lines_file), lines_file, config);
  } else {
    fail(sources.directory, "", "no tokenizer", "tokenizer.json or vocab.txt", "neither");
  }
  definition.model_max_length = config.model_max_length;
  check_definition(definition);
  return definition;
}

}  // namespace qe::tokenizer
