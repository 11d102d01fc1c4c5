// Encoding: words and pieces, added tokens, truncation, pairs, and texts made to break tokenizers.
#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <qe/error.h>
#include <qe/tokenizer.h>

#include "tests/tokenizer/support.h"

namespace {

using qe::test::load_json;
using qe::test::load_vocab;
using qe::test::pieces_of;
using qe::test::tokens_of;
using Tokens = std::vector<std::string>;

const Tokens kWords = {"the", "un", "##want", "##ed", "runn", "##ing", ",", "e", "##e", "x", "中"};

TEST_CASE("the longest piece wins, a word that cannot be covered is unknown") {
  const qe::Tokenizer tokenizer = load_vocab({"a", "ab", "##c", "##cd", "##d", "abx"});
  CHECK(pieces_of(tokenizer, "abcd") == Tokens{"ab", "##cd"});
  CHECK(pieces_of(tokenizer, "abc abx a") == Tokens{"ab", "##c", "abx", "a"});
  CHECK(pieces_of(tokenizer, "abcq d") == Tokens{"[UNK]", "[UNK]"});
  CHECK(pieces_of(tokenizer, "##c") == Tokens{"[UNK]", "[UNK]", "[UNK]"});
}

TEST_CASE("a word of 100 characters is tried, one of 101 is not") {
  const qe::Tokenizer tokenizer = load_vocab(kWords);
  const std::string e = "\xD1\x8D";  // two bytes, not in the vocabulary
  CHECK(pieces_of(tokenizer, std::string(100, 'e')).size() == 100);
  CHECK(pieces_of(tokenizer, std::string(101, 'e')) == Tokens{"[UNK]"});
  const qe::Tokenizer cyrillic = load_vocab({e, "##" + e});
  std::string word;
  for (int i = 0; i < 100; ++i) word += e;
  CHECK(pieces_of(cyrillic, word).size() == 100);
  CHECK(pieces_of(cyrillic, word + e) == Tokens{"[UNK]"});
}

TEST_CASE("empty and blank texts are valid") {
  const qe::Tokenizer tokenizer = load_vocab(kWords);
  for (const char* text : {"", " ", "\t\r\n", "\xC2\xAD", "\xE2\x80\x8B"}) {
    CHECK(tokens_of(tokenizer, text) == Tokens{"[CLS]", "[SEP]"});
  }
  CHECK(tokens_of(tokenizer, "", "") == Tokens{"[CLS]", "[SEP]", "[SEP]"});
  CHECK(tokens_of(tokenizer, "x") == Tokens{"[CLS]", "x", "[SEP]"});
  const std::string nul("x\0x", 3);
  CHECK(pieces_of(load_vocab({"xx"}), nul) == Tokens{"xx"});
}

TEST_CASE("a text is truncated at the end and says so") {
  const qe::Tokenizer tokenizer = load_vocab(kWords);
  qe::Encoding encoding;
  tokenizer.encode("x x x", {}, 5, encoding);
  CHECK(encoding.ids.size() == 5);
  CHECK_FALSE(encoding.truncated);
  tokenizer.encode("x the x runn", {}, 5, encoding);
  CHECK(encoding.truncated);
  CHECK(tokens_of(tokenizer, "x the x runn", {}, 5) == Tokens{"[CLS]", "x", "the", "x", "[SEP]"});
  CHECK(tokens_of(tokenizer, "unwanted", {}, 4) == Tokens{"[CLS]", "un", "##want", "[SEP]"});
  CHECK(tokens_of(tokenizer, "x", {}, 2) == Tokens{"[CLS]", "[SEP]"});
}

TEST_CASE("of a pair the longer text is shortened first") {
  const qe::Tokenizer tokenizer = load_vocab({"a", "b"});
  const auto kept = [&](int first, int second, int room) {
    std::string a;
    std::string b;
    for (int i = 0; i < first; ++i) a += "a ";
    for (int i = 0; i < second; ++i) b += "b ";
    const Tokens tokens = tokens_of(tokenizer, a, b, room + 3);
    return std::pair(std::count(tokens.begin(), tokens.end(), "a"),
                     std::count(tokens.begin(), tokens.end(), "b"));
  };
  CHECK(kept(3, 4, 7) == std::pair(3L, 4L));
  CHECK(kept(3, 9, 7) == std::pair(3L, 4L));
  CHECK(kept(9, 3, 7) == std::pair(4L, 3L));
  CHECK(kept(9, 9, 7) == std::pair(3L, 4L));   // the odd one goes to the second
  CHECK(kept(10, 9, 7) == std::pair(4L, 3L));  // unless the first is longer
  CHECK(kept(5, 5, 0) == std::pair(0L, 0L));
  CHECK(kept(0, 5, 2) == std::pair(0L, 2L));
  qe::Encoding encoding;
  tokenizer.encode("a a", "b", 100, encoding);
  CHECK(encoding.ids == std::vector<std::int32_t>{2, 5, 5, 3, 6, 3});
  CHECK(encoding.type_ids == std::vector<std::int32_t>{0, 0, 0, 0, 1, 1});
}

TEST_CASE("a maximum length without room for the special tokens is refused") {
  const qe::Tokenizer tokenizer = load_vocab(kWords);
  qe::Encoding encoding;
  CHECK_THROWS_WITH_AS(tokenizer.encode("x", {}, 1, encoding),
                       "the maximum length is too small (expected at least 2, got 1)",
                       qe::UsageError);
  CHECK_THROWS_AS(tokenizer.encode("x", "x", 2, encoding), qe::UsageError);
  CHECK_THROWS_AS(tokenizer.encode("x", {}, -7, encoding), qe::UsageError);
}

TEST_CASE("text that is not UTF-8 is refused with the offset of the byte") {
  const qe::Tokenizer tokenizer = load_vocab(kWords);
  qe::Encoding encoding;
  const auto fails_at = [&](std::string_view text, const std::string& name) {
    CAPTURE(name);
    try {
      tokenizer.encode(text, {}, 8, encoding);
      FAIL_CHECK("accepted");
    } catch (const qe::DataError& error) {
      CHECK(error.detail().name == name);
    }
  };
  fails_at("\xC0\xAF", "byte 0");                  // overlong
  fails_at("ab\xE0\x80\x80", "byte 2");            // overlong
  fails_at("12345678\xF0\x80\x80\x80", "byte 8");  // overlong
  fails_at("x\xED\xA0\x80", "byte 1");             // surrogate
  fails_at("\xF4\x90\x80\x80", "byte 0");          // beyond U+10FFFF
  fails_at("\xF5\x80\x80\x80", "byte 0");
  fails_at("\xE4\xB8", "byte 0");                          // cut short
  fails_at("the end is far away \x80 or not", "byte 20");  // stray continuation
  CHECK_THROWS_WITH_AS(tokenizer.encode("x", "\xFF", 8, encoding),
                       "byte 0: second text is not UTF-8", qe::DataError);
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  fails_at(bytes, "byte 128");
}

TEST_CASE("special tokens are found inside text as written") {
  const qe::Tokenizer tokenizer = load_vocab(kWords);
  CHECK(pieces_of(tokenizer, "x[MASK]the [SEP]") == Tokens{"x", "[MASK]", "the", "[SEP]"});
  CHECK(pieces_of(tokenizer, "[mask]") == Tokens{"[UNK]", "[UNK]", "[UNK]"});
  CHECK(pieces_of(tokenizer, "[MASK[MASK]") == Tokens{"[UNK]", "[UNK]", "[MASK]"});
}

nlohmann::json with_added_token(const std::string& content, const std::string& flag) {
  nlohmann::json document = qe::test::bert_json({"x", "the", "a", "##x"});
  nlohmann::json token = document["added_tokens"][0];
  token["id"] = document["model"]["vocab"].size();
  token["content"] = content;
  if (!flag.empty()) token[flag] = true;
  document["added_tokens"].push_back(token);
  return document;
}

TEST_CASE("flags of added tokens") {
  CHECK(pieces_of(load_json(with_added_token("<e>", "")), "x<e>x") == Tokens{"x", "<e>", "x"});
  const qe::Tokenizer single = load_json(with_added_token("<e>", "single_word"));
  CHECK(pieces_of(single, "x <e> x") == Tokens{"x", "<e>", "x"});
  CHECK(pieces_of(single, "<e>") == Tokens{"<e>"});
  CHECK(pieces_of(single, "x<e>").size() == 4);
  CHECK(pieces_of(single, "<e>x").size() == 4);
  const qe::Tokenizer normalized = load_json(with_added_token("CAFÉ", "normalized"));
  CHECK(pieces_of(normalized, "a Café") == Tokens{"a", "CAFÉ"});
  CHECK(normalized.vocab_size() == 10);
  // Stripping changes the ids only through what the swallowed spaces would have been: nothing.
  for (const char* flag : {"lstrip", "rstrip"}) {
    const qe::Tokenizer strip = load_json(with_added_token("<e>", flag));
    CHECK(pieces_of(strip, "x \xE3\x80\x80<e> \tthe") == Tokens{"x", "<e>", "the"});
    CHECK(pieces_of(strip, "  <e>  ") == Tokens{"<e>"});
  }
  // A swallowed space no longer starts the next token.
  nlohmann::json document = with_added_token("<e>", "rstrip");
  nlohmann::json spaced = document["added_tokens"].back();
  spaced["id"] = 10;
  spaced["content"] = "x the";
  document["added_tokens"].push_back(spaced);
  CHECK(pieces_of(load_json(document), "<e> x the a") == Tokens{"<e>", "x the", "a"});
}

TEST_CASE("steps of the normalizer can be switched off") {
  nlohmann::json document = qe::test::bert_json({"é", "e", "É", "中", "##中", "e\xC2\xAD"});
  const auto first = [&](const char* key, const nlohmann::json& value, const char* text) {
    nlohmann::json changed = document;
    changed["normalizer"][key] = value;
    return pieces_of(load_json(changed), text);
  };
  CHECK(first("lowercase", true, "É") == Tokens{"e"});
  CHECK(first("lowercase", false, "É") == Tokens{"É"});  // strip_accents follows
  CHECK(first("strip_accents", false, "É") == Tokens{"é"});
  CHECK(first("clean_text", true, "e\xC2\xAD") == Tokens{"e"});
  CHECK(first("clean_text", false, "e\xC2\xAD") == Tokens{"e\xC2\xAD"});
  CHECK(first("handle_chinese_chars", true, "中中") == Tokens{"中", "中"});
  CHECK(first("handle_chinese_chars", false, "中中") == Tokens{"中", "##中"});
}

TEST_CASE("surviving marks leave in canonical order") {
  // U+302E (class 224) and U+1D165 (class 216) combine but are no Mn, so stripping keeps them.
  const std::string low = "\xF0\x9D\x85\xA5";
  const std::string high = "\xE3\x80\xAE";
  const qe::Tokenizer tokenizer = load_vocab({"x" + low + high, "x" + high + "y"});
  CHECK(pieces_of(tokenizer, "x" + high + low) == Tokens{"x" + low + high});
  CHECK(pieces_of(tokenizer, "x" + high + "\xCC\x81y") == Tokens{"x" + high + "y"});
}

// Long inputs must not take longer than their length deserves; a quadratic step would take hours.
TEST_CASE("large and hostile texts") {
  const qe::Tokenizer tokenizer = load_vocab(kWords);
  constexpr std::size_t kLarge = 10'000'000;
  CHECK(pieces_of(tokenizer, std::string(kLarge, 'x')) == Tokens{"[UNK]"});
  std::string words;
  while (words.size() < kLarge) words += "the unwanted ";
  CHECK(pieces_of(tokenizer, words).size() == words.size() / 13 * 4);
  CHECK(tokens_of(tokenizer, words, {}, 16).size() == 16);
  CHECK(pieces_of(tokenizer, std::string(1'000'000, '[')).size() == 1'000'000);
  CHECK(pieces_of(tokenizer, std::string(kLarge, ' ')).empty());
  std::string marks = "e";
  std::string kept = "e";
  for (int i = 0; i < 100'000; ++i) {
    marks += "\xCC\x81";
    kept += i % 2 == 0 ? "\xE3\x80\xAE" : "\xF0\x9D\x85\xA5";
  }
  CHECK(pieces_of(tokenizer, marks) == Tokens{"e"});
  CHECK(pieces_of(tokenizer, kept) == Tokens{"[UNK]"});
}

TEST_CASE("an encoding object may be reused and threads may share a tokenizer") {
  const qe::Tokenizer tokenizer = load_vocab(kWords);
  constexpr unsigned kSeed = 7;
  CAPTURE(kSeed);
  std::mt19937 random(kSeed);
  std::vector<std::string> texts;
  for (int i = 0; i < 300; ++i) {
    std::string text;
    for (unsigned n = random() % 40; n > 0; --n) text += kWords[random() % kWords.size()] + " É";
    texts.push_back(text);
  }
  std::vector<Tokens> expected;
  for (const std::string& text : texts) expected.push_back(tokens_of(tokenizer, text));
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (int& count : wrong) {
    threads.emplace_back([&] {
      qe::Encoding encoding;
      for (std::size_t i = 0; i < texts.size(); ++i) {
        tokenizer.encode(texts[i], {}, qe::test::kNoLimit, encoding);
        Tokens tokens;
        for (const std::int32_t id : encoding.ids) tokens.emplace_back(tokenizer.token(id));
        if (tokens != expected[i]) ++count;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4, 0));
}

}  // namespace
