// encode_lines: ids of texts, for the scripts that compare them with another tokenizer. Standard
// input has one JSON string or pair of strings a line; standard output one JSON array of ids a
// line.
//   encode_lines [--vocab F] [--tokenizer-json F] [--config F] [--max-length N]
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

#include <qe/error.h>
#include <qe/tokenizer.h>

namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void print_ids(const std::vector<std::int32_t>& ids) {
  std::string line = "[";
  for (const std::int32_t id : ids) line += std::to_string(id) + ",";
  line.back() = ']';
  std::cout << line << '\n';
}

int run(const std::map<std::string, std::string>& options) {
  std::map<std::string, std::string> contents;
  qe::TokenizerSources sources;
  const auto source = [&](const std::string& option) -> std::optional<std::string_view> {
    if (!options.contains(option)) return std::nullopt;
    return contents[option] = read_file(options.at(option));
  };
  sources.vocab_txt = source("--vocab");
  sources.tokenizer_json = source("--tokenizer-json");
  sources.tokenizer_config_json = source("--config");
  const qe::Tokenizer tokenizer = qe::Tokenizer::load(sources);
  const int max_length = options.contains("--max-length") ? std::stoi(options.at("--max-length"))
                                                          : std::numeric_limits<int>::max();
  qe::Encoding encoding;
  for (std::string line; std::getline(std::cin, line);) {
    const nlohmann::json input = nlohmann::json::parse(line);
    const bool is_pair = input.is_array();
    const auto& text = (is_pair ? input.at(0) : input).get_ref<const std::string&>();
    std::optional<std::string_view> pair;
    if (is_pair) pair = input.at(1).get_ref<const std::string&>();
    tokenizer.encode(text, pair, max_length, encoding);
    print_ids(encoding.ids);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::map<std::string, std::string> options;
    for (int i = 1; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
    return run(options);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
