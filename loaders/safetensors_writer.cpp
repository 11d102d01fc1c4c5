// Deterministic rendering of tensors as a safetensors file.
#include <algorithm>
#include <cstring>

#include <qe/error.h>
#include "engine/types/json_tree.h"
#include "loaders/output_file.h"
#include "loaders/safetensors.h"

namespace qe {
namespace {

using Item = std::pair<const std::string, Tensor>;

void check(const Item& item) {
  const auto& [tensor_name, tensor] = item;
  const std::int64_t bits = tensor.size() * bit_width(tensor.dtype);
  if (bits != static_cast<std::int64_t>(tensor.bytes.size()) * 8) {
    throw UsageError({.problem = "tensor's bytes do not match its shape",
                      .name = tensor_name,
                      .expected = to_string(tensor.shape) + " " + std::string(name(tensor.dtype)),
                      .actual = std::to_string(tensor.bytes.size()) + " bytes"});
  }
  if (tensor_name == "__metadata__") {
    throw UsageError({.problem = "reserved tensor name", .name = tensor_name});
  }
}

// The JSON text, padded so that the buffer starts at a multiple of 8 bytes.
std::string render_header(const std::vector<const Item*>& order, const MetadataMap& metadata) {
  std::string text = "{";
  if (!metadata.empty()) {
    std::string pairs;
    for (const auto& [key, value] : metadata) {
      if (!pairs.empty()) pairs += ',';
      pairs += json::quote(key) + ':' + json::quote(value);
    }
    text += "\"__metadata__\":{" + pairs + '}';
  }
  std::size_t position = 0;
  for (const Item* item : order) {
    const auto& [tensor_name, tensor] = *item;
    if (text.size() > 1) text += ',';
    const std::size_t end = position + tensor.bytes.size();
    text += json::quote(tensor_name) + ":{\"dtype\":\"" + std::string(name(tensor.dtype)) +
            "\",\"shape\":" + to_string(tensor.shape) + ",\"data_offsets\":[" +
            std::to_string(position) + "," + std::to_string(end) + "]}";
    position = end;
  }
  text += '}';
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

}  // namespace

void write_safetensors(const std::filesystem::path& file, const TensorMap& tensors,
                       const MetadataMap& metadata) {
  std::vector<const Item*> order;
  for (const Item& item : tensors) {
    check(item);
    order.push_back(&item);
  }
  std::stable_sort(order.begin(), order.end(), [](const Item* a, const Item* b) {
    return bit_width(a->second.dtype) > bit_width(b->second.dtype);
  });
  const std::string header = render_header(order, metadata);
  const std::uint64_t length = header.size();
  OutputFile out(file);
  out.write(std::as_bytes(std::span(&length, 1)));
  out.write(header);
  for (const Item* item : order) {
    out.write(item->second.bytes);
    release_pages(item->second);
  }
  out.commit();
}

}  // namespace qe
