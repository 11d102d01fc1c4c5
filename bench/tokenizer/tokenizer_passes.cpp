// tokenizer_passes: times the tokenizer on the lines of a file, one pass a request, so that a
// script can interleave passes with those of another tokenizer in the same minute.
//   tokenizer_passes TEXTS [--vocab F] [--tokenizer-json F]
// For each line of standard input it prints the seconds of: "encode", one pass over all texts,
// untruncated; "load", one Tokenizer::load from contents in memory.
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <qe/tokenizer.h>

namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

template <typename Function>
double seconds(Function&& function) {
  const auto start = std::chrono::steady_clock::now();
  function();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Keeps every encoding, as the peer returns one object a text.
std::size_t encode_all(const qe::Tokenizer& tokenizer, const std::vector<std::string>& texts) {
  std::vector<qe::Encoding> encodings(texts.size());
  std::size_t tokens = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    tokenizer.encode(texts[i], std::nullopt, std::numeric_limits<int>::max(), encodings[i]);
    tokens += encodings[i].ids.size();
  }
  return tokens;
}

int run(const std::vector<std::string>& arguments) {
  std::string vocab;
  std::string json;
  qe::TokenizerSources sources;
  for (std::size_t i = 1; i + 1 < arguments.size(); i += 2) {
    if (arguments[i] == "--vocab") sources.vocab_txt = vocab = read_file(arguments[i + 1]);
    if (arguments[i] == "--tokenizer-json")
      sources.tokenizer_json = json = read_file(arguments[i + 1]);
  }
  std::vector<std::string> texts;
  std::ifstream file(arguments.at(0));
  for (std::string line; std::getline(file, line);) texts.push_back(line);

  const qe::Tokenizer tokenizer = qe::Tokenizer::load(sources);
  std::size_t tokens = 0;
  for (std::string request; std::getline(std::cin, request);) {
    const double time = request == "load" ? seconds([&] { qe::Tokenizer::load(sources); })
                                          : seconds([&] { tokens = encode_all(tokenizer, texts); });
    std::cout << time << ' ' << tokens << std::endl;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
