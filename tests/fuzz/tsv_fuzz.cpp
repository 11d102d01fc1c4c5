// Fuzz target: arbitrary bytes as a labelled data set. The first byte picks the options. Anything
// but rows or a DataError is a fault, and so are a label out of range or text that is not UTF-8.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>

#include <qe/error.h>

#include "tools/support/dataset.h"
#include "tools/support/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using qe::tools::OnError;
  if (size == 0) return 0;
  const unsigned options = data[0];
  std::istringstream stream(std::string(reinterpret_cast<const char*>(data) + 1, size - 1));
  try {
    qe::tools::Dataset dataset(stream, "fuzz",
                               {.labels = {"a", "b", "1"},
                                .multi_label = (options & 1U) != 0,
                                .labelled = (options & 2U) == 0,
                                .on_error = (options & 4U) != 0 ? OnError::kSkip : OnError::kFail});
    for (qe::tools::Row row; dataset.next(row);) {
      for (const int label : row.labels) {
        if (label < 0 || label > 2) std::abort();
      }
      if (!qe::tools::is_utf8(row.text) || (row.pair && !qe::tools::is_utf8(*row.pair))) {
        std::abort();
      }
    }
  } catch (const qe::DataError&) {
  }
  return 0;
}
