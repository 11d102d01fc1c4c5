// The hash is a multiply per byte; its top bits choose the slot. Its seed is drawn from all the
// keys together, so that no vocabulary file can be composed whose keys collide.
#include "tokenizer/prefix_table.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace qe::tokenizer {
namespace {

constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15;  // 2^64 over the golden ratio

std::uint64_t step(std::uint64_t hash, char byte) noexcept {
  return (hash ^ static_cast<unsigned char>(byte)) * kMultiplier;
}

std::uint32_t tag_of(std::uint64_t hash) noexcept { return static_cast<std::uint32_t>(hash >> 16); }

}  // namespace

PrefixTable::PrefixTable(std::vector<Item> items) : items_(std::move(items)) {
  const std::size_t slots = std::bit_ceil(std::max<std::size_t>(2 * items_.size(), 16));
  slots_.resize(slots);
  shift_ = 64 - std::countr_zero(slots);
  for (const Item& item : items_) seed_ = std::rotl(seed_, 29) ^ hash(item.key);
  for (std::uint32_t i = 0; i < items_.size(); ++i) insert(i);
}

std::uint64_t PrefixTable::hash(std::string_view key) const noexcept {
  std::uint64_t h = seed_;
  for (const char byte : key) h = step(h, byte);
  return h;
}

void PrefixTable::insert(std::uint32_t item) {
  const std::string_view key = items_[item].key;
  const std::uint64_t h = hash(key);
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = h >> shift_;
  for (; slots_[at].item != 0; at = (at + 1) & mask) {
    if (slots_[at].tag != tag_of(h) || items_[slots_[at].item - 1].key != key) continue;
    duplicate_ = key;
    break;
  }
  slots_[at] = {tag_of(h), item + 1};
  std::uint16_t& longest = longest_[static_cast<unsigned char>(key.front())];
  longest = std::max(longest, static_cast<std::uint16_t>(key.size()));
}

const PrefixTable::Item* PrefixTable::lookup(std::uint64_t h, std::string_view key) const noexcept {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = h >> shift_; slots_[at].item != 0; at = (at + 1) & mask) {
    if (slots_[at].tag != tag_of(h)) continue;
    const Item& item = items_[slots_[at].item - 1];
    if (item.key == key) return &item;
  }
  return nullptr;
}

PrefixTable::Match PrefixTable::longest(std::string_view text) const noexcept {
  if (!may_start_with(text.front())) return {};
  const std::size_t limit =
      std::min<std::size_t>(text.size(), longest_[static_cast<unsigned char>(text.front())]);
  std::array<std::uint64_t, kMaxKeyBytes> hashes;  // of the prefixes, by their size less one
  std::uint64_t h = seed_;
  for (std::size_t i = 0; i < limit; ++i) hashes[i] = h = step(h, text[i]);
  for (std::size_t size = limit; size > 0; --size) {
    if (const Item* item = lookup(hashes[size - 1], text.substr(0, size)))
      return {size, item->value};
  }
  return {};
}

}  // namespace qe::tokenizer
