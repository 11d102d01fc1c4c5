// Config: typed access, ranges, order of keys, and refusal of malformed or hostile JSON.
#include <string>

#include <doctest/doctest.h>

#include <qe/config.h>
#include <qe/error.h>

namespace {

qe::Config parse(const std::string& text) { return qe::Config::parse(text, "c.json"); }

template <typename Call>
qe::ErrorDetail error_of(Call call) {
  try {
    call();
  } catch (const qe::LoadError& error) {
    return error.detail();
  }
  FAIL("nothing was thrown");
  return {};
}

TEST_CASE("values are read with their types") {
  const auto c = parse(R"({"i": -3, "big": 9223372036854775807, "r": 1e-12, "s": "é\n", "b": true,)"
                       R"( "n": null, "list": ["x", "y"], "o": {"k": {"z": 1}}})");
  CHECK(c.file() == "c.json");
  CHECK(c.integer("i", -3, 0) == -3);
  CHECK(c.integer("big", 0, INT64_MAX) == INT64_MAX);
  CHECK(c.real("r", 0, 1) == 1e-12);
  CHECK(c.real("i", -5, 5) == -3.0);
  CHECK(c.string("s") == "é\n");
  CHECK(c.boolean("b"));
  CHECK(c.strings("list") == std::vector<std::string>{"x", "y"});
  CHECK(c.object("o").object("k").integer("z", 0, 1) == 1);
  CHECK_FALSE(c.has("n"));
  CHECK_FALSE(c.has("absent"));
  CHECK(c.has("b"));
}

TEST_CASE("absent and null keys take the fallback, present ones are still checked") {
  const auto c = parse(R"({"n": null, "i": 7})");
  CHECK(c.integer_or("n", 5, 0, 9) == 5);
  CHECK(c.integer_or("i", 5, 0, 9) == 7);
  CHECK(c.real_or("x", 0.5, 0, 1) == 0.5);
  CHECK(c.string_or("x", "d") == "d");
  CHECK(c.boolean_or("x", true));
  CHECK(error_of([&] { c.integer_or("i", 5, 0, 6); }).name == "i");
  CHECK(error_of([&] { c.boolean_or("i", true); }).actual == "7");
}

TEST_CASE("errors name file, path, expectation and value") {
  const auto c = parse(R"({"o": {"i": 9, "f": 2.5, "s": "x", "l": [1], "a": []}})");
  const auto o = c.object("o");
  auto e = error_of([&] { o.integer("i", 0, 8); });
  CHECK(e.file == "c.json");
  CHECK(e.name == "o.i");
  CHECK(e.expected == "an integer, 0 to 8");
  CHECK(e.actual == "9");
  CHECK(error_of([&] { o.integer("f", 0, 8); }).actual == "2.5");
  CHECK(error_of([&] { o.integer("s", 0, 8); }).actual == "\"x\"");
  CHECK(error_of([&] { o.integer("none", 0, 8); }).problem == "key is missing");
  CHECK(error_of([&] { o.real("f", 0, 2); }).expected == "a number, 0 to 2");
  CHECK(error_of([&] { o.real("s", 0, 2); }).name == "o.s");
  CHECK(error_of([&] { o.string("i"); }).expected == "a string");
  CHECK(error_of([&] { o.boolean("i"); }).expected == "true or false");
  CHECK(error_of([&] { o.strings("l"); }).expected == "an array of strings");
  CHECK(error_of([&] { o.strings("i"); }).expected == "an array of strings");
  CHECK(error_of([&] { o.object("a"); }).actual == "an array");
  CHECK(error_of([&] { c.string("o"); }).actual == "an object");
}

TEST_CASE("keys keep their order and numbers their spelling") {
  const auto c = parse(R"({"z": 1, "a": 1e-12, "m": {"y": [1, {}], "b": []}, "s": "\u00e9\""})");
  const auto items = c.items();
  REQUIRE(items.size() == 4);
  CHECK(items[0] == std::pair<std::string, std::string>("z", "1"));
  CHECK(items[1].second == "1e-12");
  CHECK(items[2].second == R"({"y":[1,{}],"b":[]})");
  CHECK(items[3].second == R"("é\"")");
  CHECK(c.dump() ==
        "{\n  \"z\": 1,\n  \"a\": 1e-12,\n  \"m\": {\n    \"y\": [\n      1,\n      {}\n    ],\n"
        "    \"b\": []\n  },\n  \"s\": \"é\\\"\"\n}");
  CHECK(parse(c.dump()).dump() == c.dump());
}

TEST_CASE("malformed and hostile texts are refused") {
  for (const char* text : {"",
                           " ",
                           "{",
                           "}",
                           "[]",
                           "1",
                           "null",
                           "\"x\"",
                           "{}x",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{a:1}",
                           "{\"a\":1,}",
                           "{\"a\":01}",
                           "{\"a\":+1}",
                           "{\"a\":.5}",
                           "{\"a\":1.}",
                           "{\"a\":NaN}",
                           "{\"a\":Infinity}",
                           "{\"a\":1e999}",
                           "{\"a\":\"\x01\"}",
                           "{\"a\":\"\xff\"}",
                           "{\"a\":\"\\ud800\"}",
                           "{\"a\":'x'}",
                           "{/**/}",
                           "{\"a\":1 \"b\":2}"}) {
    INFO(text);
    CHECK(error_of([&] { parse(text); }).file == "c.json");
  }
  CHECK(error_of([&] { parse(std::string("{}\0{}", 5)); }).problem ==
        "JSON text contains a NUL byte");
  CHECK(error_of([&] { parse(R"({"a":1,"b":2,"a":3})"); }).problem == "key appears twice");
  CHECK(error_of([&] { parse(R"({"o":{"a":1,"\u0061":3}})"); }).name == "a");
  const auto nested = [](int depth) {
    std::string text = "{\"a\":";
    text.append(static_cast<std::size_t>(depth), '[');
    text.append(static_cast<std::size_t>(depth), ']');
    return text.append("}");
  };
  CHECK_NOTHROW(parse(nested(63)));
  CHECK(error_of([&] { parse(nested(64)); }).problem == "nested too deeply");
  CHECK(error_of([&] { parse(std::string(1'000'000, '[')); }).problem == "nested too deeply");
  std::string large = "{\"a\":\"";
  large.append(std::size_t{16} << 20, 'x').append("\"}");
  CHECK(error_of([&] { parse(large); }).problem == "JSON text is too large");
}

TEST_CASE("integers beyond 64 bits are out of range, not wrapped") {
  const auto c = parse(R"({"a": 18446744073709551615, "b": 18446744073709551616, "c": -0})");
  CHECK(error_of([&] { c.integer("a", INT64_MIN, INT64_MAX); }).actual == "18446744073709551615");
  CHECK(error_of([&] { c.integer("b", INT64_MIN, INT64_MAX); }).name == "b");
  CHECK(c.integer("c", 0, 0) == 0);
}

}  // namespace
