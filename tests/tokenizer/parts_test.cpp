// The parts by themselves: UTF-8, code point properties, the prefix table against a plain search.
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tokenizer/prefix_table.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace {

using qe::tokenizer::append_utf8;
using qe::tokenizer::find_invalid_utf8;
using qe::tokenizer::PrefixTable;

TEST_CASE("every scalar is well-formed and comes back, surrogates are not") {
  for (char32_t c = 0; c <= 0x110000; ++c) {
    std::string text;
    append_utf8(c, text);
    const bool is_scalar = c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
    if (find_invalid_utf8(text).has_value() == is_scalar) FAIL_CHECK("U+" << std::uint32_t{c});
    if (!is_scalar) continue;
    const auto point = qe::tokenizer::first_code_point(text);
    if (point.value != c || point.size != text.size()) FAIL_CHECK("U+" << std::uint32_t{c});
    if (qe::tokenizer::last_code_point("x" + text).value != c) FAIL_CHECK("U+" << std::uint32_t{c});
  }
}

TEST_CASE("a bad byte is found at any offset") {
  for (std::size_t size = 1; size < 40; ++size) {
    const std::string good(size, 'a');
    CHECK_FALSE(find_invalid_utf8(good).has_value());
    for (std::size_t at = 0; at < size; ++at) {
      std::string bad = good;
      bad[at] = '\x80';
      CHECK(find_invalid_utf8(bad) == at);
      bad[at] = '\xE2';
      CHECK(find_invalid_utf8(bad) == at);
    }
  }
}

TEST_CASE("properties follow the peer where ICU differs") {
  using namespace qe::tokenizer;
  const auto has = [](char32_t c, int flag) { return (character_flags(c) & flag) != 0; };
  CHECK(has(U'\u00A0', kSpace));
  CHECK(has(U'\u0085', kSpace));
  CHECK(has(U'\u0085', kRemoved));
  CHECK_FALSE(has(U'\t', kRemoved));
  CHECK(has(0, kRemoved));
  CHECK(has(0xFFFD, kRemoved));
  CHECK(has(0xE000, kRemoved));
  CHECK_FALSE(has(0x0378, kRemoved));  // not assigned
  CHECK(has(U'$', kPunctuation));      // ASCII symbols count
  CHECK_FALSE(has(U'\u20AC', kPunctuation));
  CHECK(has(0x166D, kPunctuation));        // So in ICU 72
  CHECK_FALSE(has(0x2E52, kPunctuation));  // younger than the peer's table
  CHECK(has(0x0301, kMark));
  CHECK_FALSE(has(0x1ABF, kMark));
  CHECK(combining_class(0x1ABF) == 0);
  CHECK(combining_class(0x0301) == 230);
  CHECK(lowercase(0x0130).count == 2);
  CHECK(lowercase(0x0130).values == std::array<char32_t, 4>{U'i', 0x0307});
  CHECK(lowercase(0x1C89).values[0] == 0x1C8A);
  CHECK(decompose(0x1F82).count == 4);
  CHECK(decompose(0x11938).count == 1);
  CHECK(decompose(0xAC01).count == 3);
  CHECK(is_chinese(0x4E00));
  CHECK_FALSE(is_chinese(0x3042));
  CHECK_FALSE(is_chinese(0x2CEB0));
}

TEST_CASE("prefix table against a plain search") {
  constexpr unsigned kSeed = 20;
  CAPTURE(kSeed);
  std::mt19937 random(kSeed);
  for (const unsigned letters : {1U, 2U, 5U, 250U}) {
    const auto word = [&](unsigned longest) {
      std::string text;
      for (unsigned n = 1 + random() % longest; n > 0; --n) {
        text += static_cast<char>('a' + random() % letters);
      }
      return text;
    };
    std::vector<std::string> keys;
    for (int i = 0; i < 700; ++i) keys.push_back(word(i % 50 == 0 ? 200 : 9));
    std::map<std::string, std::int32_t> expected;
    std::vector<PrefixTable::Item> items;
    for (const std::string& key : keys) {
      items.push_back({key, static_cast<std::int32_t>(items.size())});
      expected[key] = items.back().value;
    }
    const PrefixTable table(items);
    CHECK(table.duplicate().has_value() == (expected.size() < keys.size()));
    for (int i = 0; i < 3000; ++i) {
      const std::string text = i % 3 == 0 ? keys[random() % keys.size()] + word(9) : word(230);
      std::size_t size = text.size();
      while (size > 0 && !expected.contains(text.substr(0, size))) --size;
      const PrefixTable::Match match = table.longest(text);
      REQUIRE(match.size == size);
      if (size != 0) REQUIRE(match.value == expected.at(text.substr(0, size)));
      REQUIRE(table.may_start_with(text[0]) >= (size != 0));
    }
  }
  const PrefixTable empty;
  CHECK(empty.longest("x").size == 0);
  CHECK(empty.empty());
  const std::string longest(PrefixTable::kMaxKeyBytes, 'k');
  CHECK(PrefixTable({{longest, 1}}).longest(longest + "k").size == longest.size());
}

}  // namespace
