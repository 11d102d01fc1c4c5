// Random and real requests.
#include "tools/bench/workload.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include <qe/error.h>

#include "tools/support/dataset.h"
#include "tools/support/image_data.h"
#include "tools/support/image_stream.h"
#include "tools/support/models.h"
#include "tools/support/statistics/philox.h"

namespace qe::tools {
namespace {

// BERT vocabularies keep special and unused ids below; small ones have fewer.
constexpr int kFirstOrdinaryId = 1000;

void close_text(Request& request) {
  request.offsets.push_back(static_cast<std::int32_t>(request.ids.size()));
}

}  // namespace

Request random_request(int texts, int tokens, int vocab_size, std::uint64_t seed) {
  const int first = std::min(kFirstOrdinaryId, vocab_size / 2);
  PhiloxStream random(seed, 0);
  Request request;
  for (int text = 0; text < texts; ++text) {
    for (int i = 0; i < tokens; ++i) {
      const auto id = random.below(static_cast<std::uint32_t>(vocab_size - first));
      request.ids.push_back(first + static_cast<std::int32_t>(id));
    }
    close_text(request);
  }
  return request;
}

std::vector<Request> data_requests(const std::string& file, const Tokenizer& tokenizer,
                                   int max_length, int batch) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw IoError({.problem = std::strerror(errno), .file = file});
  Dataset dataset(stream, file, {.labelled = false});
  std::vector<Request> requests;
  Encoding encoding;
  for (Row row; dataset.next(row);) {
    if (requests.empty() || requests.back().texts() == batch) requests.emplace_back();
    Request& request = requests.back();
    tokenizer.encode(row.text, row.pair, max_length, encoding);
    request.ids.insert(request.ids.end(), encoding.ids.begin(), encoding.ids.end());
    if (dataset.has_pairs()) {
      request.type_ids.insert(request.type_ids.end(), encoding.type_ids.begin(),
                              encoding.type_ids.end());
    }
    close_text(request);
  }
  if (requests.empty()) {
    throw DataError({.problem = "has no rows", .file = file, .expected = "at least one"});
  }
  return requests;
}

Request random_images(int images, std::size_t image_bytes, std::uint64_t seed) {
  PhiloxStream random(seed, 0);
  Request request;
  request.images = images;
  request.pixels.resize(static_cast<std::size_t>(images) * image_bytes);
  for (std::uint8_t& byte : request.pixels) byte = static_cast<std::uint8_t>(random.below(256));
  return request;
}

std::vector<Request> image_requests(const std::string& path, const ImageInput& input, int batch,
                                    const SharedFlags& flags) {
  const auto set =
      open_images(path, {.labels = {}, .labelled = false, .decode = decode_options(flags)});
  ImageStream stream(*set, {.input = input, .threads = flags.threads});
  std::vector<Request> requests;
  for (ImageSample sample; stream.next(sample);) {
    if (requests.empty() || requests.back().images == batch) requests.emplace_back();
    Request& request = requests.back();
    request.pixels.insert(request.pixels.end(), sample.image.rgb.begin(), sample.image.rgb.end());
    ++request.images;
  }
  if (requests.empty()) {
    throw DataError({.problem = "has no images", .file = path, .expected = "at least one"});
  }
  return requests;
}

int longest_text(std::span<const Request> requests) {
  int longest = 0;
  for (const Request& request : requests) {
    for (std::size_t i = 1; i < request.offsets.size(); ++i) {
      longest = std::max(longest, request.offsets[i] - request.offsets[i - 1]);
    }
  }
  return longest;
}

}  // namespace qe::tools
