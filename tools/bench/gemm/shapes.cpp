// Lists of products. Queries, keys and values are one product, as the engine stacks them.
#include "tools/bench/gemm/shapes.h"

#include <charconv>

#include <qe/error.h>

#include "tools/support/text.h"

namespace qe::tools {
namespace {

constexpr int kMostSize = 1 << 20;
constexpr int kTokens = 128;

void add_encoder(std::vector<GemmShape>& shapes, const std::string& name, int width) {
  for (const int batch : {1, 8, 32, 128}) {
    const std::string prefix = name + " b" + std::to_string(batch) + " ";
    const int rows = batch * kTokens;
    shapes.push_back({prefix + "qkv", rows, 3 * width, width});
    shapes.push_back({prefix + "output", rows, width, width});
    shapes.push_back({prefix + "ffn1", rows, 4 * width, width});
    shapes.push_back({prefix + "ffn2", rows, width, 4 * width});
  }
}

// Takes a size off the front of `text`; 0 where there is none.
int take_size(std::string_view& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || value < 1 || value > kMostSize) return 0;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

bool take_x(std::string_view& text) {
  if (!text.starts_with('x')) return false;
  text.remove_prefix(1);
  return true;
}

GemmShape parse_sizes(std::string_view text, const std::string& flag) {
  std::string_view rest = text;
  GemmShape shape{.name = std::string(text)};
  shape.m = take_size(rest);
  const bool first = take_x(rest);
  shape.n = take_size(rest);
  const bool second = take_x(rest);
  shape.k = take_size(rest);
  if (!first || !second || !rest.empty() || shape.m == 0 || shape.n == 0 || shape.k == 0) {
    throw UsageError({.problem = "not a shape",
                      .name = flag,
                      .expected = "bert-base, bert-large or MxNxK",
                      .actual = quote(text)});
  }
  return shape;
}

}  // namespace

std::vector<GemmShape> parse_shapes(std::string_view text, const std::string& flag) {
  std::vector<GemmShape> shapes;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view item = text.substr(begin, end - begin);
    if (item == "bert-base") {
      add_encoder(shapes, "bert-base", 768);
    } else if (item == "bert-large") {
      add_encoder(shapes, "bert-large", 1024);
    } else {
      shapes.push_back(parse_sizes(item, flag));
    }
    begin = end + 1;
  }
  return shapes;
}

}  // namespace qe::tools
