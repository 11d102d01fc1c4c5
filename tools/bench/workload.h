// What a benchmark runs: token ids made before any clock starts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <qe/session.h>
#include <qe/tokenizer.h>

namespace qe::tools {

// The texts of one run, packed without padding. Owns what batch() views.
struct Request {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> type_ids;  // empty for all zero
  std::vector<std::int32_t> offsets = {0};

  TextBatch batch() const { return {.token_ids = ids, .type_ids = type_ids, .offsets = offsets}; }
  int tokens() const { return offsets.back(); }
  int texts() const { return static_cast<int>(offsets.size()) - 1; }
};

// `texts` texts of `tokens` random ids each, the same for the same seed.
Request random_request(int texts, int tokens, int vocab_size, std::uint64_t seed);

// The rows of a TSV file in file order, `batch` texts a request; the last may hold fewer. Throws
// DataError, IoError.
std::vector<Request> data_requests(const std::string& file, const Tokenizer& tokenizer,
                                   int max_length, int batch);

// Tokens of the longest text.
int longest_text(std::span<const Request> requests);

}  // namespace qe::tools
