// Loading: what the files may say, and a typed error for every way they can be wrong.
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <qe/error.h>
#include <qe/tokenizer.h>

#include "tests/tokenizer/support.h"

namespace {

using nlohmann::json;
using qe::test::bert_json;
using qe::test::load_json;
using qe::test::load_vocab;
using qe::test::pieces_of;
using qe::test::tokens_of;
using Tokens = std::vector<std::string>;

const std::vector<std::string> kTokens = {"x", "the", "##x"};

// The error's message must hold every part, so that a user can act on it.
template <typename Load>
void check_fails(Load&& load, const std::vector<std::string>& parts, bool is_unsupported = false) {
  CAPTURE(parts);
  try {
    load();
    FAIL_CHECK("accepted");
  } catch (const qe::LoadError& error) {
    CHECK((dynamic_cast<const qe::UnsupportedError*>(&error) != nullptr) == is_unsupported);
    const std::string message = error.what();
    CAPTURE(message);
    for (const std::string& part : parts) CHECK(message.find(part) != std::string::npos);
  }
}

void check_json_fails(const std::function<void(json&)>& change,
                      const std::vector<std::string>& parts, bool is_unsupported = false) {
  json document = bert_json(kTokens);
  change(document);
  std::vector<std::string> all = {"model/tokenizer.json"};
  all.insert(all.end(), parts.begin(), parts.end());
  check_fails([&] { load_json(document); }, all, is_unsupported);
}

void check_text_fails(const std::string& text, const std::vector<std::string>& parts) {
  check_fails([&] { qe::Tokenizer::load({.tokenizer_json = text, .directory = "model"}); }, parts);
}

void check_config_fails(const std::string& config, const std::vector<std::string>& parts,
                        bool is_unsupported = false) {
  std::vector<std::string> all = {"model/tokenizer_config.json"};
  all.insert(all.end(), parts.begin(), parts.end());
  check_fails([&] { load_vocab(kTokens, config); }, all, is_unsupported);
}

void check_vocab_fails(const std::string& text, const std::vector<std::string>& parts) {
  check_fails([&] { qe::Tokenizer::load({.vocab_txt = text, .directory = "model"}); }, parts);
}

TEST_CASE("a directory without a tokenizer") {
  check_fails([] { qe::Tokenizer::load({.directory = "model"}); },
              {"model", "no tokenizer", "tokenizer.json or vocab.txt"});
}

TEST_CASE("vocab.txt: line endings, blank lines and repeated words") {
  const std::string text = "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\nx\r\ny\r\n\r\nx\r\nz \r\n\r\n\n";
  const auto tokenizer = qe::Tokenizer::load({.vocab_txt = text});
  CHECK(tokenizer.vocab_size() == 9);
  qe::Encoding encoding;
  tokenizer.encode("x y z", {}, 10, encoding);
  CHECK(encoding.ids == std::vector<std::int32_t>{2, 7, 5, 8, 3});  // the last line of x counts
  const std::string no_newline = "[UNK]\n[CLS]\n[SEP]\nx";
  CHECK(qe::Tokenizer::load({.vocab_txt = no_newline}).vocab_size() == 4);
  CHECK_THROWS_AS(tokenizer.token(9), qe::UsageError);
  CHECK_THROWS_AS(tokenizer.token(-1), qe::UsageError);
}

TEST_CASE("vocab.txt: errors") {
  check_vocab_fails("", {"model/vocab.txt", "empty"});
  check_vocab_fails("\n\r\n\n", {"model/vocab.txt", "empty"});
  check_vocab_fails("[UNK]\n[CLS]\nx", {"model/vocab.txt", "\"[SEP]\" is missing"});
  check_vocab_fails("[CLS]\n[SEP]\nx", {"\"[UNK]\" is missing"});
  check_vocab_fails("[UNK]\n[CLS]\n[SEP]\n[CLS]\n", {"line 4", "\"[CLS]\" appears twice"});
  check_vocab_fails("[UNK]\n[CLS]\n[SEP]\n[MASK]\n[MASK]\n",
                    {"line 5", "\"[MASK]\" appears twice"});
  check_vocab_fails("[UNK]\nab\xFF\n[CLS]\n[SEP]\n", {"line 2", "byte 2", "not UTF-8"});
  check_vocab_fails("[UNK]\n[CLS]\n[SEP]\n" + std::string(1025, 'x'),
                    {"id 3", "too long", "at most 1024", "got 1025"});
}

TEST_CASE("tokenizer_config.json: settings") {
  const auto cased = load_vocab({"É", "e"}, R"({"do_lower_case": false})");
  CHECK(pieces_of(cased, "É") == Tokens{"É"});
  const auto config = R"({"unk_token": "x", "cls_token": {"content": "the"}, "strip_accents": null,
    "model_max_length": 1000000000000000019884624838656, "tokenizer_class": "BertTokenizerFast"})";
  const auto renamed = load_vocab(kTokens, config);
  CHECK(tokens_of(renamed, "what") == Tokens{"the", "x", "[SEP]"});
  CHECK(renamed.default_max_length(77) == 77);
  CHECK(load_vocab(kTokens, R"({"model_max_length": 12})").default_max_length(77) == 12);
  CHECK(load_vocab(kTokens).default_max_length(77) == 77);
  const auto added = load_vocab(kTokens, R"({"added_tokens_decoder": {
    "8": {"content": "<e>"}, "0": {"content": "[PAD]", "special": true}}})");
  CHECK(added.vocab_size() == 9);
  CHECK(pieces_of(added, "x<e>") == Tokens{"x", "<e>"});
}

TEST_CASE("tokenizer_config.json: errors") {
  check_config_fails("", {"malformed JSON"});
  check_config_fails("[]", {"an object"});
  check_config_fails(R"({"do_lower_case": 1})", {"do_lower_case", "true or false", "got 1"});
  check_config_fails(R"({"do_lower_case": true, "do_lower_case": false})",
                     {"do_lower_case", "key appears twice"});
  check_config_fails(R"({"cls_token": 5})", {"cls_token", "a string"});
  check_config_fails(R"({"cls_token": {"text": "x"}})", {"cls_token", "\"content\" is missing"});
  check_config_fails(R"({"model_max_length": 0})", {"model_max_length", "positive"});
  check_config_fails(R"({"model_max_length": "512"})", {"model_max_length", "a number"});
  check_config_fails(R"({"added_tokens_decoder": {"x": {"content": "y"}}})",
                     {"added_tokens_decoder.x", "not an id"});
  check_config_fails(R"({"added_tokens_decoder": {"-1": {"content": "y"}}})", {"not an id"});
  check_config_fails(R"({"added_tokens_decoder": [1]})", {"added_tokens_decoder", "an object"});
  check_config_fails(R"({"tokenizer_class": "RobertaTokenizer"})",
                     {"tokenizer_class", "RobertaTokenizer", "BertTokenizer"}, true);
  check_config_fails(R"({"truncation_side": "left"})", {"truncation_side", "left"}, true);
  check_config_fails(R"({"do_basic_tokenize": false})", {"do_basic_tokenize"}, true);
  check_config_fails(R"({"never_split": ["x"]})", {"never_split"}, true);
  check_fails([] { load_vocab(kTokens, R"({"sep_token": "<s>"})"); },
              {"model/vocab.txt", "\"<s>\" is missing"});
}

TEST_CASE("tokenizer.json: what may vary") {
  json document = bert_json(kTokens);
  CHECK(pieces_of(load_json(document), "The xx [MASK]") == Tokens{"the", "x", "##x", "[MASK]"});
  document["post_processor"] =
      json::parse(R"({"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]})");
  document["truncation"] = json::parse(
      R"({"direction": "Right", "max_length": 7, "strategy": "LongestFirst", "stride": 0})");
  CHECK(tokens_of(load_json(document), "x", "x") == Tokens{"[CLS]", "x", "[SEP]", "x", "[SEP]"});
  CHECK(load_json(document).default_max_length(512) == 7);
  CHECK(load_json(document).default_max_length(5) == 5);
  document["model"]["continuing_subword_prefix"] = "";
  document["model"]["max_input_chars_per_word"] = 2;
  CHECK(pieces_of(load_json(document), "xx xxx") == Tokens{"x", "x", "[UNK]"});
  // The ids need not stand in the order of the file, nor the added tokens.
  std::string text = bert_json(kTokens).dump();
  const std::string sorted = R"("vocab":{)";
  text.replace(text.find(sorted), sorted.size(), R"("vocab":{"zz":8,)");
  const auto tokenizer = qe::Tokenizer::load({.tokenizer_json = text});
  CHECK(tokenizer.vocab_size() == 9);
  CHECK(tokenizer.token(8) == "zz");
  CHECK(tokenizer.token(5) == "x");
}

TEST_CASE("tokenizer.json: malformed JSON") {
  check_text_fails("", {"model/tokenizer.json", "malformed JSON"});
  check_text_fails("{", {"malformed JSON", "byte"});
  check_text_fails("{\"model\": {\"vocab\": {\"a\": 1, }}}", {"malformed JSON"});
  check_text_fails("{\"model\": \"\xFF\"}", {"malformed JSON"});
  check_text_fails("17", {"an object", "got 17"});
  check_text_fails(R"({"model": 1, "model": 2})", {"model", "key appears twice"});
  check_text_fails(std::string(100'000, '['), {"nested too deep", "at most 64"});
  check_text_fails(std::string(65, '[') + std::string(65, ']'), {"nested too deep"});
  check_text_fails(R"({"model": {"vocab": {"a": "b"}}})", {"model.vocab.a", "integer"});
  check_text_fails(R"({"model": {"vocab": {"a": {}}}})", {"model.vocab.a", "integer"});
  check_text_fails(R"({"model": {"vocab": {"a": 1.5}}})", {"model.vocab.a", "integer"});
  check_text_fails(R"({"model": {"vocab": {"a": 18446744073709551615}}})", {"model.vocab.a"});
}

TEST_CASE("tokenizer.json: vocabulary errors") {
  check_json_fails([](json& d) { d["model"]["vocab"] = json::object(); },
                   {"model.vocab", "vocabulary is empty"});
  check_json_fails([](json& d) { d["model"]["vocab"] = 5; }, {"model.vocab", "an object", "got 5"});
  check_json_fails([](json& d) { d["model"]["vocab"]["x"] = -1; },
                   {"model.vocab.x", "not consecutive", "got -1"});
  check_json_fails([](json& d) { d["model"]["vocab"]["x"] = 8; },
                   {"model.vocab.x", "not consecutive", "each of 0 to 7 once"});
  check_json_fails([](json& d) { d["model"]["vocab"]["x"] = 6; }, {"id given twice", "got 6"});
  check_json_fails([](json& d) { d["model"]["vocab"]["x"] = 4'000'000'000; }, {"not consecutive"});
  check_json_fails([](json& d) { d["model"]["vocab"][std::string(1025, 'x')] = 8; },
                   {"id 8", "too long"});
  check_json_fails([](json& d) { d["model"]["unk_token"] = "<unk>"; },
                   {"model.unk_token", "not in the vocabulary"});
  std::string text = bert_json(kTokens).dump();
  text.replace(text.find(R"("vocab":{)"), 9, R"("vocab":{"x":8,)");
  check_text_fails(text, {"model.vocab", "\"x\"", "given twice"});
}

TEST_CASE("tokenizer.json: other schemes are named") {
  const auto refuses = [](const char* part, const json& value, const std::string& named) {
    check_json_fails([&](json& d) { d[json::json_pointer(part)] = value; }, {named}, true);
  };
  refuses("/model/type", "BPE", "BPE");
  refuses("/normalizer/type", "NFC", "NFC");
  refuses("/normalizer", nullptr, "BertNormalizer");
  refuses("/pre_tokenizer/type", "ByteLevel", "ByteLevel");
  refuses("/pre_tokenizer", nullptr, "BertPreTokenizer");
  refuses("/post_processor/type", "RobertaProcessing", "RobertaProcessing");
  refuses("/post_processor", nullptr, "TemplateProcessing");
  refuses("/post_processor/single", json::array(), "[CLS] A [SEP]");
  refuses("/post_processor/single/1/Sequence/id", "B", "[CLS] A [SEP]");
  refuses("/post_processor/pair/3/Sequence/type_id", 0, "[CLS] A [SEP] B:1 [SEP]:1");
  refuses("/post_processor/special_tokens/[CLS]/ids", json({2, 3}), "one id");
  refuses("/truncation", json({{"max_length", 8}, {"strategy", "OnlyFirst"}, {"stride", 0}}),
          "OnlyFirst");
  refuses("/truncation",
          json({{"direction", "Left"}, {"max_length", 8}, {"strategy", "LongestFirst"}}), "Left");
}

TEST_CASE("tokenizer.json: missing parts and wrong types") {
  const auto fails = [](const char* part, const json& value, const std::string& named) {
    check_json_fails([&](json& d) { d[json::json_pointer(part)] = value; }, {named});
  };
  for (const char* key : {"model", "normalizer", "pre_tokenizer", "post_processor"}) {
    check_json_fails([&](json& d) { d.erase(key); }, {key, "is missing"});
  }
  fails("/normalizer/lowercase", "yes", "normalizer.lowercase");
  fails("/added_tokens", 3, "an array");
  fails("/added_tokens/1/id", "1", "added_tokens[1].id");
  fails("/model/max_input_chars_per_word", -1, "max_input_chars_per_word");
  fails("/model/max_input_chars_per_word", 1.5, "an integer");
  fails("/model/max_input_chars_per_word", json::parse("18446744073709551615"), "an integer");
  fails("/truncation", json({{"max_length", 1}, {"strategy", "LongestFirst"}}),
        "truncation.max_length");
  fails("/post_processor/special_tokens/[CLS]/ids/0", 99, "post_processor");
  fails("/post_processor",
        json::parse(R"({"type": "BertProcessing", "sep": ["[SEP]"], "cls": ["[CLS]", 2]})"),
        "a token and its id");
}

TEST_CASE("tokenizer.json: added tokens that contradict") {
  const auto fails = [](const json& change, const std::vector<std::string>& parts) {
    check_json_fails(
        [&](json& d) {
          json token = d["added_tokens"][0];
          token.update(change);
          d["added_tokens"].push_back(token);
        },
        parts);
  };
  fails({{"id", 8}, {"content", ""}}, {"id 8", "empty or too long"});
  fails({{"id", 8}, {"content", std::string(1025, 'x')}}, {"empty or too long"});
  fails({{"id", 8}}, {"\"[PAD]\"", "given twice"});
  fails({{"id", 5}, {"content", "<e>"}}, {"\"<e>\"", "belongs to another", "\"x\""});
  fails({{"id", 9}, {"content", "<e>"}}, {"\"<e>\"", "not consecutive", "expected 8, got 9"});
  fails({{"id", 8}, {"content", "\xC2\xAD"}, {"normalized", true}}, {"normalized form is empty"});
  json document = bert_json(kTokens);
  for (const char* content : {"É", "E"}) {
    json token = document["added_tokens"][0];
    token.update(
        {{"id", 3 + document["added_tokens"].size()}, {"content", content}, {"normalized", true}});
    document["added_tokens"].push_back(token);
  }
  check_fails([&] { load_json(document); }, {"\"E\"", "that of another token"});
}

TEST_CASE("files that disagree") {
  const std::string document = bert_json(kTokens).dump();
  const auto load = [&](const std::string& vocab, const std::string& config) {
    return qe::Tokenizer::load({.vocab_txt = vocab,
                                .tokenizer_json = document,
                                .tokenizer_config_json = config,
                                .directory = "model"});
  };
  const std::string vocab = qe::test::vocab_lines(kTokens);
  CHECK(load(vocab, R"({"do_lower_case": true, "strip_accents": null, "cls_token": "[CLS]"})")
            .vocab_size() == 8);
  check_fails(
      [&] {
        load(qe::test::vocab_lines({"x", "them", "##x"}), "{}");
      },
      {"model/vocab.txt", "line 7", "disagrees", "\"the\"", "\"them\""});
  check_fails([&] { load(vocab + "more\n", "{}"); }, {"model/vocab.txt", "8 tokens", "got 9"});
  check_fails([&] { load(vocab, R"({"do_lower_case": false})"); },
              {"tokenizer_config.json", "do_lower_case", "expected true, got false"});
  check_fails([&] { load(vocab, R"({"tokenize_chinese_chars": false})"); },
              {"tokenize_chinese_chars"});
  check_fails([&] { load(vocab, R"({"strip_accents": false})"); }, {"strip_accents"});
  check_fails([&] { load(vocab, R"({"sep_token": "x"})"); }, {"sep_token", "[SEP]", "got x"});
}

}  // namespace
