// The decoding threads: order, errors in their turn, bounded memory, and ending early.
#include <atomic>
#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <qe/error.h>
#include <qe/machine.h>

#include "tools/support/image_stream.h"

namespace qe::tools {
namespace {

ImageInput one_pixel() {
  ImageInput input;
  input.resize = ResizeMode::kNone;
  input.width = input.height = 1;
  return input;
}

Image pixel(std::size_t value) {
  const auto byte = static_cast<std::uint8_t>(value);
  return {.width = 1, .height = 1, .rgb = {byte, byte, byte}};
}

// `count` images of their number; what `fault` throws happens while decoding.
class CountingSource : public ImageSource {
 public:
  explicit CountingSource(std::size_t count) : count_(count) {}

  bool next(ImageRow& row) override {
    if (given_ == count_) return false;
    const std::size_t number = ++given_;
    if (at_row) at_row(number);
    row = {.number = number,
           .name = "image " + std::to_string(number),
           .label = static_cast<int>(number % 10),
           .decode = [this, number] {
             if (at_decode) at_decode(number);
             ++decoded;
             return pixel(number);
           }};
    return true;
  }

  std::function<void(std::size_t)> at_row;     // called where the row is read
  std::function<void(std::size_t)> at_decode;  // called on a decoding thread
  std::atomic<std::size_t> decoded = 0;

 private:
  std::size_t count_;
  std::size_t given_ = 0;
};

TEST_CASE("order is kept whatever decoding takes") {
  for (const int threads : {1, 2, 5}) {
    for (const int capacity : {1, 2, 7, 1000}) {
      CountingSource source(300);
      source.at_decode = [](std::size_t number) {
        if (number % 13 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
      };
      ImageStream stream(source, {.input = one_pixel(), .threads = threads, .capacity = capacity});
      ImageSample sample;
      for (std::size_t i = 1; i <= 300; ++i) {
        REQUIRE(stream.next(sample));
        REQUIRE(sample.number == i);
        REQUIRE(sample.name == "image " + std::to_string(i));
        REQUIRE(sample.label == static_cast<int>(i % 10));
        REQUIRE(sample.image.rgb == pixel(i).rgb);
      }
      CHECK_FALSE(stream.next(sample));
      CHECK_FALSE(stream.next(sample));
      CHECK(stream.skipped() == 0);
    }
  }
}

TEST_CASE("an empty set") {
  CountingSource source(0);
  ImageStream stream(source, {.input = one_pixel(), .threads = 3});
  ImageSample sample;
  CHECK_FALSE(stream.next(sample));
}

TEST_CASE("no more images are decoded than the capacity allows") {
  CountingSource source(100);
  ImageStream stream(source, {.input = one_pixel(), .threads = 4, .capacity = 6});
  ImageSample sample;
  for (std::size_t taken = 1; taken <= 20; ++taken) {
    REQUIRE(stream.next(sample));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    CHECK(source.decoded <= taken + 6);
  }
}

TEST_CASE("a computing caller has the CPUs to itself") {
  constexpr int kThreads = 2;
  std::atomic<bool> computing = false;
  std::atomic<int> begun = 0;  // meanwhile
  CountingSource source(10'000);
  source.at_row = [&](std::size_t) { begun += computing ? 1 : 0; };
  ImageStream stream(source, {.input = one_pixel(), .threads = kThreads, .capacity = 10'000});
  const auto all = static_cast<int>(usable_cpus().size());
  ImageSample sample;
  for (int round = 0; round < 3; ++round) {
    REQUIRE(stream.next(sample));
    begun = 0;
    const int answer = stream.beside(all, [&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));  // threads end what they are at
      computing = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      computing = false;
      return 7;
    });
    CHECK(answer == 7);
    CHECK(begun <= kThreads);  // those that were slow to end it
  }
  CHECK_THROWS_AS(stream.beside(all, []() -> int { throw IoError({.problem = "gone"}); }), IoError);
  for (int i = 3; i < 10'000; ++i) REQUIRE(stream.next(sample));
  CHECK_FALSE(stream.next(sample));
}

void fail_at(std::size_t number, std::size_t divisor, const char* problem) {
  if (number % divisor == 0) {
    throw DataError({.problem = problem, .file = "image " + std::to_string(number)});
  }
}

TEST_CASE("errors of rows and of decoding come in their turn") {
  CountingSource source(60);
  source.at_row = [](std::size_t number) { fail_at(number, 7, "row"); };
  source.at_decode = [](std::size_t number) { fail_at(number, 5, "pixels"); };
  ImageStream stream(source, {.input = one_pixel(), .threads = 3, .capacity = 4});
  ImageSample sample;
  for (std::size_t i = 1; i <= 60; ++i) {
    try {
      const bool more = stream.next(sample);
      REQUIRE(more);
      CHECK(i % 5 != 0);
      CHECK(i % 7 != 0);
      CHECK(sample.number == i);
    } catch (const DataError& error) {
      CHECK(error.detail().file == "image " + std::to_string(i));
      CHECK(error.detail().problem == (i % 7 == 0 ? "row" : "pixels"));
    }
  }
  CHECK_FALSE(stream.next(sample));
}

TEST_CASE("images with errors are skipped, counted and told in order") {
  CountingSource source(60);
  source.at_row = [](std::size_t number) { fail_at(number, 7, "row"); };
  source.at_decode = [](std::size_t number) { fail_at(number, 5, "pixels"); };
  std::vector<std::string> told;
  const auto caller = std::this_thread::get_id();
  ImageStream stream(source, {.input = one_pixel(),
                              .threads = 3,
                              .capacity = 4,
                              .on_error = OnError::kSkip,
                              .on_skip = [&](const DataError& error) {
                                CHECK(std::this_thread::get_id() == caller);
                                told.push_back(error.detail().file);
                              }});
  ImageSample sample;
  std::vector<std::string> expected;
  for (std::size_t i = 1; i <= 60; ++i) {
    if (i % 5 == 0 || i % 7 == 0) {
      expected.push_back("image " + std::to_string(i));
      continue;
    }
    REQUIRE(stream.next(sample));
    CHECK(sample.number == i);
  }
  CHECK_FALSE(stream.next(sample));
  CHECK(told == expected);
  CHECK(stream.skipped() == expected.size());
}

TEST_CASE("an image that preprocessing refuses is named") {
  CountingSource source(1);
  ImageInput input = one_pixel();
  input.width = 2;
  ImageStream stream(source, {.input = input});
  ImageSample sample;
  try {
    stream.next(sample);
    FAIL("nothing was thrown");
  } catch (const DataError& error) {
    CHECK(error.detail().file == "image 1");
  }
}

TEST_CASE("any other error ends the stream") {
  for (const bool in_row : {true, false}) {
    CountingSource source(1000);
    const auto fault = [](std::size_t number) {
      if (number == 5) throw IoError({.problem = "gone"});
    };
    (in_row ? source.at_row : source.at_decode) = fault;
    ImageStream stream(source, {.input = one_pixel(), .threads = 2, .on_error = OnError::kSkip});
    ImageSample sample;
    for (int i = 1; i < 5; ++i) REQUIRE(stream.next(sample));
    CHECK_THROWS_AS(stream.next(sample), IoError);
    CHECK_FALSE(stream.next(sample));
  }
}

TEST_CASE("a stream may be left at any time") {
  for (std::size_t taken = 0; taken < 20; ++taken) {
    CountingSource source(1000);
    ImageStream stream(source, {.input = one_pixel(), .threads = 3, .capacity = 5});
    ImageSample sample;
    for (std::size_t i = 0; i < taken; ++i) REQUIRE(stream.next(sample));
  }
}

TEST_CASE("options below one are refused") {
  CountingSource source(1);
  CHECK_THROWS_AS(ImageStream(source, {.threads = 0}), UsageError);
  CHECK_THROWS_AS(ImageStream(source, {.capacity = 0}), UsageError);
}

}  // namespace
}  // namespace qe::tools
