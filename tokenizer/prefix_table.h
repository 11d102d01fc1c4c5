// PrefixTable: a hash table from strings to integers made for one question: which is the longest
// key that a text starts with? The hashes of all prefixes of a text fall out of one pass over it,
// so the usual answer, "the whole word", costs one probe. Built in about a millisecond for 30,000
// keys.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace qe::tokenizer {

class PrefixTable {
 public:
  static constexpr std::size_t kMaxKeyBytes = 1024;

  struct Item {
    std::string_view key;  // 1 to kMaxKeyBytes bytes; must outlive the table
    std::int32_t value;
  };
  struct Match {
    std::size_t size = 0;  // bytes of the key, 0 if there is none
    std::int32_t value = 0;
  };

  PrefixTable() = default;
  // Of equal keys the last wins.
  explicit PrefixTable(std::vector<Item> items);

  // `text` must not be empty.
  Match longest(std::string_view text) const noexcept;

  bool empty() const noexcept { return items_.empty(); }
  // False for a byte that no key starts with.
  bool may_start_with(char byte) const noexcept {
    return longest_[static_cast<unsigned char>(byte)] != 0;
  }
  // A key that was given more than once.
  std::optional<std::string_view> duplicate() const noexcept { return duplicate_; }

 private:
  struct Slot {
    std::uint32_t tag;   // bits of the key's hash
    std::uint32_t item;  // 1 + index into items_, 0 for an empty slot
  };
  std::uint64_t hash(std::string_view key) const noexcept;
  void insert(std::uint32_t item);
  const Item* lookup(std::uint64_t hash, std::string_view key) const noexcept;

  std::vector<Item> items_;
  std::vector<Slot> slots_;                   // open addressing, a power of two, at most half full
  std::array<std::uint16_t, 256> longest_{};  // bytes of the longest key by its first byte
  std::uint64_t seed_ = 0;
  int shift_ = 0;
  std::optional<std::string_view> duplicate_;
};

}  // namespace qe::tokenizer
