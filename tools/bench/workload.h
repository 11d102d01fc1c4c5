// What a benchmark runs: token ids or pixels made before any clock starts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <qe/image_input.h>
#include <qe/session.h>
#include <qe/tokenizer.h>

#include "tools/support/args.h"

namespace qe::tools {

// The texts of one run, packed without padding, or its images. Owns what is viewed.
struct Request {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> type_ids;  // empty for all zero
  std::vector<std::int32_t> offsets = {0};
  int images = 0;  // 0: texts
  std::vector<std::uint8_t> pixels;

  TextBatch batch() const { return {.token_ids = ids, .type_ids = type_ids, .offsets = offsets}; }
  ImageBatch image_batch() const { return {.pixels = pixels}; }
  int tokens() const { return offsets.back(); }
  int texts() const { return static_cast<int>(offsets.size()) - 1; }
  int samples() const { return images > 0 ? images : texts(); }
};

// `texts` texts of `tokens` random ids each, the same for the same seed.
Request random_request(int texts, int tokens, int vocab_size, std::uint64_t seed);

// The rows of a TSV file in file order, `batch` texts a request; the last may hold fewer. Throws
// DataError, IoError.
std::vector<Request> data_requests(const std::string& file, const Tokenizer& tokenizer,
                                   int max_length, int batch);

// `images` images of random pixels, the same for the same seed.
Request random_images(int images, std::size_t image_bytes, std::uint64_t seed);

// The images of a set in its order (tools/support/image_data.h), `batch` a request; the last may
// hold fewer. All are in memory at once. Throws DataError, IoError.
std::vector<Request> image_requests(const std::string& path, const ImageInput& input, int batch,
                                    const SharedFlags& flags);

// Tokens of the longest text.
int longest_text(std::span<const Request> requests);

}  // namespace qe::tools
