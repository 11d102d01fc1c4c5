// Dependencies point one way: types <- kernels <- engine <- loaders <- tools, tokenizer on types
// alone, tools on public headers alone, and the engine and kernels neither open files nor print.
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include <doctest/doctest.h>

namespace {

namespace fs = std::filesystem;

const fs::path kRoot = QE_SOURCE_DIR;

const std::set<std::string> kTypes = {"activation.h",    "config.h", "dtype.h", "error.h",
                                      "gemm_operands.h", "isa.h",    "quant.h", "tensor.h"};
const std::set<std::string> kTokenizer = {"tokenizer.h"};
const std::set<std::string> kLoaders = {"classification.h", "image.h", "image_classifier.h",
                                        "load.h",           "save.h",  "synthetic.h",
                                        "text_classifier.h"};

// Layer of a public header, by the library part that implements it.
std::string public_layer(const std::string& header) {
  if (kTypes.contains(header)) return "types";
  if (kTokenizer.contains(header)) return "tokenizer";
  if (kLoaders.contains(header)) return "loaders";
  return "engine";
}

std::string layer_of(const std::string& path) {
  if (path.starts_with("qe/")) return public_layer(path.substr(3));
  if (path.starts_with("engine/include/qe/")) return public_layer(path.substr(18));
  if (path.starts_with("engine/types/")) return "types";
  return path.substr(0, path.find('/'));
}

const std::map<std::string, std::set<std::string>> kMayUse = {
    {"types", {"types"}},
    {"kernels", {"types", "kernels"}},
    {"engine", {"types", "kernels", "engine"}},
    {"tokenizer", {"types", "tokenizer"}},
    {"loaders", {"types", "engine", "tokenizer", "loaders"}},
    {"tools", {"types", "engine", "tokenizer", "loaders", "tools"}},
};

std::string read(const fs::path& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

template <typename Visit>
void for_each_source(const Visit& visit) {
  for (const auto& [layer, unused] : kMayUse) {
    const fs::path folder = kRoot / (layer == "types" ? "engine" : layer);
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      const std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cpp" && extension != ".cu") continue;
      const std::string path = fs::relative(entry.path(), kRoot).generic_string();
      if (layer_of(path) == layer) visit(path, layer, read(entry.path()));
    }
  }
}

TEST_CASE("includes point down the layers") {
  const std::regex include(R"re(#include\s+(?:"([a-z_]+/[^"]+)"|<(qe/[^>]+)>))re");
  int seen = 0;
  for_each_source([&](const std::string& path, const std::string& layer, const std::string& text) {
    for (std::sregex_iterator it(text.begin(), text.end(), include), end; it != end; ++it) {
      const bool is_public = (*it)[2].matched;
      const std::string target = is_public ? (*it)[2].str() : (*it)[1].str();
      if (target == "qe/version.h") continue;
      ++seen;
      CHECK_MESSAGE(kMayUse.at(layer).contains(layer_of(target)), path << " includes " << target);
      const bool internal_from_tools =
          layer == "tools" && !is_public && !target.starts_with("tools/");
      CHECK_MESSAGE(!internal_from_tools, path << " includes the internal header " << target);
    }
  });
  CHECK(seen > 50);
}

TEST_CASE("engine, kernels and tokenizer open no file and print nothing") {
  const std::regex forbidden(
      R"re(#include <(fstream|iostream|filesystem|cstdio|print)>|\bfopen\(|\bprintf\(|std::c(out|err)\b)re");
  for_each_source([&](const std::string& path, const std::string& layer, const std::string& text) {
    if (layer == "loaders" || layer == "tools") return;
    CHECK_MESSAGE(!std::regex_search(text, forbidden), path);
  });
}

}  // namespace
