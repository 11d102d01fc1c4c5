// Ids of recorded strings under five settings, made with the peer, and published tokenizer cases.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <qe/tokenizer.h>

#include "tests/tokenizer/support.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace {

using nlohmann::json;
using qe::test::read_file;

std::vector<json> read_json_lines(const std::filesystem::path& path) {
  std::vector<json> values;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) values.push_back(json::parse(line));
  return values;
}

bool is_present(const std::filesystem::path& path) {
  if (std::filesystem::exists(path)) return true;
  MESSAGE("skipped: " << path.string() << " is absent");
  return false;
}

TEST_CASE("ids equal the recorded ones") {
  const auto folder = qe::test::shared_folder() / "goldens" / "tokenizer";
  if (!is_present(folder)) return;
  const std::vector<json> texts = read_json_lines(folder / "texts.jsonl");
  REQUIRE(texts.size() == 1969);
  for (const json& settings : json::parse(read_file(folder / "configs.json"))) {
    const std::string name = settings.at("name");
    CAPTURE(name);
    const std::string vocab = read_file(qe::test::shared_folder() / "data" / "vocab" /
                                        settings.at("vocab").get<std::string>());
    const std::string config = settings.dump();
    const auto tokenizer =
        qe::Tokenizer::load({.vocab_txt = vocab, .tokenizer_config_json = config});
    const std::vector<json> expected = read_json_lines(folder / (name + ".jsonl"));
    REQUIRE(expected.size() == texts.size());
    qe::Encoding encoding;
    int differences = 0;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      tokenizer.encode(texts[i].get<std::string>(), {}, qe::test::kNoLimit, encoding);
      if (encoding.ids == expected[i].get<std::vector<std::int32_t>>()) continue;
      ++differences;
      MESSAGE("text " << i << ": " << texts[i].dump());
    }
    CHECK(differences == 0);
  }
}

TEST_CASE("a model directory's tokenizer.json agrees with its vocab.txt") {
  const auto folder = qe::test::shared_folder() / "models" / "minilm-emotion";
  if (!is_present(folder)) return;
  const std::string vocab = read_file(folder / "vocab.txt");
  const std::string document = read_file(folder / "tokenizer.json");
  const std::string config = read_file(folder / "tokenizer_config.json");
  const auto tokenizer = qe::Tokenizer::load(
      {.vocab_txt = vocab, .tokenizer_json = document, .tokenizer_config_json = config});
  CHECK(tokenizer.vocab_size() == 30522);
  CHECK(tokenizer.default_max_length(512) == 96);  // its truncation
  CHECK(tokenizer.token(101) == "[CLS]");
  const auto lines = qe::Tokenizer::load({.vocab_txt = vocab, .tokenizer_config_json = config});
  CHECK(lines.default_max_length(1024) == 512);  // model_max_length
  CHECK(lines.default_max_length(256) == 256);
  const std::string text = "It's naïve: [MASK] unaffable!";
  CHECK(qe::test::tokens_of(tokenizer, text) == qe::test::tokens_of(lines, text));
}

// A vocabulary for a published case: its own, a named one, or the expected tokens themselves.
qe::Tokenizer tokenizer_for(const json& row) {
  std::vector<std::string> vocab = row.value("vocab", std::vector<std::string>());
  if (vocab.empty()) vocab = row.at("expect").get<std::vector<std::string>>();
  json document = qe::test::bert_json(vocab);
  json& normalizer = document["normalizer"];
  normalizer["lowercase"] = row.value("lower", false);
  normalizer["clean_text"] = row.value("remove_control", true);
  normalizer["handle_chinese_chars"] = row.value("tokenize_chinese_chars", true);
  normalizer["strip_accents"] = row.value("strip_accents", json());
  return qe::test::load_json(document);
}

void check_property(const json& row) {
  const char32_t c = qe::tokenizer::first_code_point(row.at("input").get<std::string>()).value;
  const std::uint8_t flags = qe::tokenizer::character_flags(c);
  const std::string kind = row.at("kind");
  const int flag = kind == "is_whitespace"    ? qe::tokenizer::kSpace
                   : kind == "is_punctuation" ? qe::tokenizer::kPunctuation
                                              : qe::tokenizer::kRemoved;
  CHECK(((flags & flag) != 0) == row.at("expect").get<bool>());
}

TEST_CASE("published cases") {
  const auto file = qe::test::shared_folder() / "data" / "unicode" / "bert-tokenizer-cases.jsonl";
  if (!is_present(file)) return;
  const std::string uncased =
      read_file(qe::test::shared_folder() / "data" / "vocab" / "bert-base-uncased.txt");
  const auto bert = qe::Tokenizer::load({.vocab_txt = uncased});
  int checked = 0;
  for (const json& row : read_json_lines(file)) {
    const std::string kind = row.at("kind");
    const std::string shown = row.dump();
    CAPTURE(shown);
    ++checked;
    if (kind.starts_with("is_")) {
      check_property(row);
    } else if (kind == "special") {
      qe::Encoding encoding;
      bert.encode(row.at("input").get<std::string>(), "pair", qe::test::kNoLimit, encoding);
      CHECK(encoding.ids.front() == 101);
      CHECK(encoding.ids.back() == 102);
      CHECK(std::count(encoding.ids.begin(), encoding.ids.end(), 102) == 2);
    } else if (kind == "pair") {
      qe::Encoding encoding;
      const std::string second = row.at("input")[1];
      bert.encode(row.at("input")[0].get<std::string>(), second, qe::test::kNoLimit, encoding);
      if (row.contains("ids")) CHECK(json(encoding.ids) == row.at("ids"));
      if (row.contains("type_ids")) CHECK(json(encoding.type_ids) == row.at("type_ids"));
      CHECK(json(qe::test::tokens_of(bert, row.at("input")[0].get<std::string>(), second)) ==
            row.at("expect"));
    } else if (kind == "full_offsets") {
      // The cased vocabulary is not at hand; the expected pieces stand in for it.
      const bool is_cased = row.at("vocab_file") == "bert-base-cased";
      const qe::Tokenizer pieces = tokenizer_for(row);
      const std::string text = row.at("input");
      CHECK(json(qe::test::tokens_of(is_cased ? pieces : bert, text)) == row.at("expect"));
    } else {
      CHECK(json(qe::test::pieces_of(tokenizer_for(row), row.at("input").get<std::string>())) ==
            row.at("expect"));
    }
  }
  CHECK(checked == 51);
}

}  // namespace
