// Vocabulary: the tokens of a model by id, 0 to size() - 1, in one block of memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qe::tokenizer {

class Vocabulary {
 public:
  void add(std::string_view token) {
    bytes_ += token;
    ends_.push_back(bytes_.size());
  }

  int size() const noexcept { return static_cast<int>(ends_.size()); }

  // Valid until the next add().
  std::string_view token(int id) const noexcept {
    const auto index = static_cast<std::size_t>(id);
    const std::size_t begin = index == 0 ? 0 : ends_[index - 1];
    return std::string_view(bytes_).substr(begin, ends_[index] - begin);
  }

 private:
  std::string bytes_;
  std::vector<std::size_t> ends_;
};

}  // namespace qe::tokenizer
